//! The task around a watch: it hears what the lanes and the logs bring, and tells everybody else.

use super::Rules;
use super::Watch;
use crate::board::Report;
use crate::clock::Clock;
use crate::engine::errand::errands;
use crate::engine::{Engine, Lane};
use crate::follow::follow;
use crate::lane::{self, News};
use crate::model::When;
use crate::recording::Recorded;
use crate::sinks::Listeners;
use crate::store::{Keeper, Past};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// News waiting to be taken in: one from each lane and some.
const NEWS: usize = 8;
/// How often what survives a restart is handed to the store.
const KEEP_EVERY: f64 = 60.0;

/// Where a target's task sends what others do with it.
#[derive(Debug)]
pub struct Outlets {
    pub board: watch::Sender<Arc<Report>>,
    pub listeners: Listeners,
    pub keeper: Keeper,
    /// Follows the logs of the target beside its lanes, where anybody wants that.
    pub follows_logs: bool,
    /// Where it is told what a former life left, if that could not be read yet. Until then nothing is kept of this one,
    /// which would take its place.
    pub past: Option<oneshot::Receiver<Past>>,
    /// Every visit as it comes, for a recording.
    pub tap: Option<mpsc::Sender<Recorded>>,
}

/// Watches until it is dropped, which is safe at every await.
pub async fn watch(
    engine: Arc<dyn Engine>,
    mut watch: Watch,
    clock: Clock,
    rules: watch::Receiver<Rules>,
    mut outlets: Outlets,
) {
    let (give_orders, orders) = watch::channel(watch.orders());
    let (send, mut news) = mpsc::channel(NEWS);
    let mut lanes = tokio::task::JoinSet::new();
    // The beat is the one that is always there.
    let (errands, calls) = errands();
    let mut calls = Some(calls);
    for lane in Lane::ALL {
        let calls = if lane == Lane::Beat { calls.take() } else { None };
        let jitter = clock.jitter(&format!("{} {}", watch.plan.target, lane.name()));
        lanes.spawn(lane::run(engine.clone(), lane, orders.clone(), send.clone(), calls, jitter));
    }
    drop(send);
    let (told, mut heard) = mpsc::channel(1);
    if outlets.follows_logs {
        let (target, keeper) = (watch.plan.target.clone(), outlets.keeper.clone());
        lanes.spawn(follow(engine.clone(), target, clock, keeper, errands, told));
    }
    let mut kept = clock.now();
    loop {
        let fresh = tokio::select! {
            // In this order, so that a simulation runs twice in the same way; lanes are not so many that logs wait.
            biased;
            fresh = news.recv() => match fresh {
                Some(fresh) => fresh,
                None => return,
            },
            Some(visit) = heard.recv() => {
                // What it means for findings the next beat will see.
                let now = clock.now();
                watch.hear(visit, now);
                outlets.board.send_replace(Arc::new(watch.report(now)));
                continue;
            }
            past = told_later(&mut outlets.past) => {
                tracing::info!(target = %watch.plan.target, "what was known of it before is known again");
                watch.remember(past);
                outlets.keep(&watch, clock.now());
                continue;
            }
        };
        let (now, lane) = (clock.now(), fresh.lane);
        log(&watch, &fresh);
        if let (Some(tap), Ok(visit)) = (&outlets.tap, &fresh.brought)
            && tap.try_send(Recorded::of(lane, now, visit)).is_err()
        {
            tracing::warn!(target = %watch.plan.target, "the recording cannot keep up: a sample is missing from it");
        }
        watch.plan.rules = rules.borrow().clone();
        // An answer cost the server something: it is not asked again because we were restarted.
        let mut learned = fresh.brought.as_ref().is_ok_and(|visit| !visit.answers.is_empty());
        watch.take(fresh, now);
        // The pulse alone changes no finding that the next beat would not see.
        if lane != Lane::Pulse {
            let changes = watch.read(now);
            // First the sinks, which put it down for themselves: whoever is ended between the two tells it twice. The
            // other way round it would never be told, because the ledger says that it was.
            outlets.listeners.tell(&changes).await;
            if !changes.is_empty() {
                learned = true;
                outlets.keep_ledger(&watch);
            }
        }
        if now.seconds_since(&kept) >= KEEP_EVERY {
            kept = now;
            outlets.keep(&watch, now);
        } else if learned {
            outlets.keep_lessons(&watch);
        }
        give_orders.send_replace(watch.orders());
        outlets.board.send_replace(Arc::new(watch.report(now)));
    }
}

/// What a former life left, once that is known, and never again.
async fn told_later(past: &mut Option<oneshot::Receiver<Past>>) -> Past {
    let Some(later) = past else { return std::future::pending().await };
    // Whoever would have told it is gone, and with it whoever would write in its place.
    let told = later.await.unwrap_or_default();
    *past = None;
    told
}

/// What survives us is kept once it is known what it takes the place of.
impl Outlets {
    fn keep(&self, watch: &Watch, now: When) {
        self.keep_ledger(watch);
        self.keep_lessons(watch);
        if self.past.is_none() {
            self.keeper.keep_snapshot(&watch.plan.target, now, watch.snapshot.clone());
        }
    }

    fn keep_ledger(&self, watch: &Watch) {
        if self.past.is_none() {
            self.keeper.keep_ledger(&watch.plan.target, watch.ledger.to_vec());
        }
    }

    fn keep_lessons(&self, watch: &Watch) {
        if self.past.is_none() {
            self.keeper.keep_lessons(&watch.plan.target, watch.lessons());
        }
    }
}

/// Says once when a lane begins to fail and once when it is well again.
fn log(watch: &Watch, news: &News) {
    let (target, lane) = (&watch.plan.target, news.lane.name());
    match (&news.brought, watch.failed.get(&news.lane)) {
        (Err(error), known) if known.map(|(error, _)| error) != Some(error) => {
            tracing::warn!(%target, lane, %error, "cannot watch")
        }
        (Ok(_), Some(_)) => tracing::info!(%target, lane, "watching again"),
        _ => {}
    }
}
