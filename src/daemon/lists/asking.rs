//! Asking one address for its list, again and again.

use super::{State, open};
use crate::config::HttpList;
use crate::http::{self, Tls};
use axum::body::Body;
use hyper::{Request, StatusCode};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// A thousand targets with all their labels take less.
pub const MAX_ANSWER: usize = 4 << 20;

pub async fn ask(config: HttpList, state: Arc<Mutex<State>>, offered: watch::Sender<()>) {
    let mut again = interval(config.refresh.get());
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Of the answer that was understood last, so that the same one is not read again.
    let (mut last, tls) = (None, Tls::default());
    loop {
        again.tick().await;
        let answer = text(&config, &tls).await;
        let mut state = open(&state);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        match answer {
            Err(why) => state.failed(config.name(), why),
            Ok(text) if last.as_ref() == Some(&text) => match state.trouble.clone().filter(|_| state.refused)
            {
                Some(why) => state.failed(config.name(), why),
                None => state.is_well(config.name(), at),
            },
            Ok(text) => match config.read(&text) {
                Err(error) => state.failed(config.name(), error.to_string()),
                Ok(targets) => {
                    state.is_well(config.name(), at);
                    last = Some(text.clone());
                    state.refused = false;
                    state.offer = (targets != state.targets).then_some((targets, text));
                    if state.offer.is_some() {
                        offered.send_replace(());
                    }
                }
            },
        }
    }
}

/// The list as text, in time, or why there is none. Nothing of the answer is repeated: it may be anything.
pub async fn text(config: &HttpList, tls: &Tls) -> Result<String, String> {
    let late = |_| Err(format!("no answer within {}", config.timeout));
    timeout(config.timeout.get(), answer(config, tls)).await.unwrap_or_else(late)
}

async fn answer(config: &HttpList, tls: &Tls) -> Result<String, String> {
    let uri = config.uri()?;
    let login = config.login().authorization().await.map_err(|error| error.to_string())?;
    let tls = if http::is_tls(&uri) { Some(config.login().tls(tls).await?) } else { None };
    let mut request = Request::get(uri)
        .header("Accept", "application/json")
        .header("X-Prometheus-Refresh-Interval-Seconds", config.refresh.get().as_secs_f64().to_string());
    if let Some(login) = login {
        request = request.header("Authorization", login);
    }
    let request =
        request.body(Body::empty()).map_err(|_| "the login holds what a header cannot".to_owned())?;
    let answer = http::call(request, tls, MAX_ANSWER).await.map_err(|error| error.to_string())?;
    if answer.status != StatusCode::OK {
        return Err(format!("it answered {}", answer.status.as_u16()));
    }
    let kind = answer.content_type.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err("its answer is not called application/json".to_owned());
    }
    String::from_utf8(answer.body).map_err(|_| "its answer is not UTF-8 text".to_owned())
}
