//! The gate before every answer: called by a name of ours, not too often, and by somebody whom we know. It judges
//! the path exactly as the router does, so that no second spelling gets around it.

use super::users::{Admission, Users};
use crate::config::{Door, Rate};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What probes ask, and what tells nothing.
const FOR_EVERYBODY: [&str; 2] = ["/-/healthy", "/-/ready"];

/// Why a request is not answered.
pub type Refusal = (StatusCode, &'static str);

#[derive(Debug, Default)]
pub struct Gate {
    pub door: Door,
    users: Option<Arc<Users>>,
    bucket: Option<Bucket>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Gate {
    pub fn of(door: Door) -> Result<Gate, ring::error::Unspecified> {
        let header = |(name, value): &(String, String)| Some((name.parse().ok()?, value.parse().ok()?));
        Ok(Gate {
            users: Users::of(&door.users)?.map(Arc::new),
            bucket: door.rate.map(Bucket::full),
            headers: door.headers.iter().filter_map(header).collect(),
            door,
        })
    }

    pub async fn admit(&self, uri: &Uri, headers: &HeaderMap, on_loopback: bool) -> Result<(), Refusal> {
        if !called_by_our_name(headers, uri, &self.door.hosts, on_loopback) {
            return Err((
                StatusCode::FORBIDDEN,
                "this is not a name of dbsonde; see `hosts` under [web] in its settings",
            ));
        }
        if self.bucket.as_ref().is_some_and(|bucket| !bucket.take(Instant::now())) {
            return Err((StatusCode::TOO_MANY_REQUESTS, "too many requests"));
        }
        let Some(users) = &self.users else { return Ok(()) };
        if FOR_EVERYBODY.contains(&uri.path()) {
            return Ok(());
        }
        match users.admit(headers).await {
            Admission::In => Ok(()),
            Admission::Refused => Err((StatusCode::UNAUTHORIZED, "a user and a password are wanted")),
            Admission::Busy => {
                Err((StatusCode::SERVICE_UNAVAILABLE, "too many users want to be checked at once"))
            }
        }
    }
}

/// A page of the web can make a browser here ask us, by a name of its own that it lets point at us. An address or
/// `localhost` cannot be such a name.
fn called_by_our_name(headers: &HeaderMap, uri: &Uri, ours: &[String], on_loopback: bool) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let is_ours = |host: &str| {
        let Some(name) = name_of(host) else { return false };
        name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || ours.iter().any(|known| known.trim_end_matches('.').eq_ignore_ascii_case(name))
            || (ours.is_empty() && !on_loopback)
    };
    is_ours(host) && uri.authority().is_none_or(|authority| is_ours(authority.as_str()))
}

/// A page of the web can make a browser here send us something as well, under whatever name of ours it likes; but the
/// browser says whose page it is.
pub fn sent_by_a_strange_page(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_strange = |origin: &HeaderValue| {
        let place = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, place)| place);
        place.is_none() || place != host
    };
    headers.get_all(header::ORIGIN).iter().any(is_strange)
}

/// A host without its port.
fn name_of(host: &str) -> Option<&str> {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.');
    (!name.is_empty() && !name.contains('@')).then_some(name)
}

/// One request each interval; what was not used is kept, up to the burst.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    fn full(rate: Rate) -> Bucket {
        Bucket { rate, level: Mutex::new((f64::from(rate.burst), Instant::now())) }
    }

    fn take(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, at) = *level;
        let grown = now.saturating_duration_since(at).as_secs_f64() / self.rate.interval.as_secs_f64();
        let left = (left + grown).min(f64::from(self.rate.burst));
        let taken = left >= 1.0;
        *level = (if taken { left - 1.0 } else { left }, now);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_strange_name_is_not_ours() {
        let called = |host: &str, uri: &str, ours: &[String], on_loopback| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            called_by_our_name(&headers, &uri.parse().unwrap(), ours, on_loopback)
        };
        for ours in ["localhost", "LOCALHOST:9909", "127.0.0.1:9909", "[::1]:9909", "10.0.0.7", "localhost."]
        {
            assert!(called(ours, "/", &[], true), "{ours}");
        }
        for strange in [
            "evil.example",
            "evil.example:9909",
            "localhost.evil.example",
            "",
            ":9909",
            "[::1",
            "a@localhost",
        ] {
            assert!(!called(strange, "/", &[], true), "{strange}");
        }
        let ours = ["db1.example".to_owned()];
        assert!(called("DB1.example:9909", "/", &ours, true) && !called("evil.example", "/", &ours, false));
        assert!(called("any.example", "/", &[], false), "beside loopback any name is, unless some are named");
        assert!(!called("localhost", "http://evil.example/metrics", &[], true));
        let mut twice = HeaderMap::new();
        assert!(!called_by_our_name(&twice, &Uri::from_static("/"), &[], false), "no name at all");
        twice.append(header::HOST, HeaderValue::from_static("localhost"));
        twice.append(header::HOST, HeaderValue::from_static("localhost"));
        assert!(!called_by_our_name(&twice, &Uri::from_static("/"), &[], true));
    }

    #[test]
    fn only_our_own_pages_send_us_something() {
        let sent = |origins: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("localhost:9909"));
            origins.iter().for_each(|origin| {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            });
            !sent_by_a_strange_page(&headers)
        };
        assert!(sent(&[]) && sent(&["http://localhost:9909"]) && sent(&["https://localhost:9909"]));
        for origin in
            ["null", "http://evil.example", "http://localhost", "http://localhost:9909.evil.example"]
        {
            assert!(!sent(&[origin]), "{origin}");
        }
        assert!(!sent(&["http://localhost:9909", "http://evil.example"]));
    }

    #[test]
    fn a_bucket_fills_up_again() {
        let bucket = Bucket::full(Rate { interval: Duration::from_secs(1), burst: 2 });
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(
            [now, now, now, after(1), after(1)].map(|at| bucket.take(at)),
            [true, true, false, true, false]
        );
        assert_eq!([60, 60, 60].map(|at| bucket.take(after(at))), [true, true, false]);
    }
}
