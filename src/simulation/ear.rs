//! Sinks that hear, fail, hang and refuse; and what each of them was told, in order.

use super::dice::Dice;
use super::disk::{Death, Disk};
use crate::ledger::{Change, Kind};
use crate::sink::{Delivery, Sink, SinkError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::time::sleep;

/// What comes back later than this is news.
const A_DAY: f64 = 86_400.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mood {
    Listens,
    Fails,
    Hangs,
    Refuses,
}

/// The last word that a sink heard of a finding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    pub kind: Kind,
    pub at: f64,
    life: u64,
}

/// All that one sink has heard.
#[derive(Debug)]
pub struct Ear {
    pub mood: Mood,
    pub dice: Dice,
    pub life: u64,
    /// What waited on disk when this life began: words of former lives, told again perhaps.
    pub old: Vec<(String, Kind, f64)>,
    pub heard: BTreeMap<String, Heard>,
    /// Findings of which it has not heard all, and whose fault that is: nobody's of ours.
    pub excused: BTreeMap<String, &'static str>,
    pub wrong: Vec<String>,
    /// Every word, for those who look into a seed.
    pub story: Vec<String>,
}

impl Ear {
    pub fn new(dice: Dice) -> Self {
        Self {
            mood: Mood::Listens,
            dice,
            life: 0,
            old: Vec::new(),
            heard: BTreeMap::new(),
            excused: BTreeMap::new(),
            wrong: Vec::new(),
            story: Vec::new(),
        }
    }

    fn hear(&mut self, change: &Change) {
        let (id, kind, at) = (&change.entry.id, change.kind, change.entry.changed_at);
        let before = self.heard.get(id).copied();
        self.story.push(format!(
            "{} {} {:.3} life {}",
            kind.name(),
            change.entry.finding.subject,
            at,
            self.life
        ));
        let is_old = self.old.iter().any(|(of, was, then)| of == id && *was == kind && *then == at);
        let is_new_life = before.is_some_and(|before| before.life < self.life);
        let is_again = before.is_some_and(|before| before.kind == kind && (before.at - at).abs() < 0.002);
        let follows = match (before.map(|before| before.kind), kind) {
            (None, Kind::Opened) => true,
            (None, _) => false,
            (Some(Kind::Resolved | Kind::Verified), Kind::Reopened | Kind::Verified) => true,
            (Some(Kind::Resolved | Kind::Verified), Kind::Opened) => {
                before.is_some_and(|before| (at - before.at).abs() > A_DAY)
            }
            (Some(Kind::Resolved | Kind::Verified), _) => false,
            (Some(_), Kind::Changed | Kind::Resolved) => true,
            (Some(_), _) => false,
        };
        // Whoever is ended in between tells again what was told, in the same order; and what the disk had not
        // taken yet is new to the next life.
        let is_forgiven = is_old || is_new_life || self.excused.contains_key(id);
        if !(follows || is_again || is_forgiven) {
            self.wrong.push(format!(
                "{} after {before:?}: {} at {at}",
                kind.name(),
                change.entry.finding.because
            ));
        }
        // A word of this life: the ledger agrees again. One that waited on disk proves nothing.
        if !is_old {
            self.excused.remove(id);
        }
        let life = if is_old { self.life - 1 } else { self.life };
        self.heard.insert(id.clone(), Heard { kind, at, life });
    }
}

/// The sink itself.
pub struct Listener {
    pub ear: Arc<Mutex<Ear>>,
    pub disk: Disk,
}

impl Sink for Listener {
    fn deliver<'a>(&'a self, change: &'a Change) -> Delivery<'a> {
        Box::pin(async move {
            let (mood, wait) = {
                let mut ear = self.ear.lock().unwrap();
                (ear.mood, ear.dice.seconds(0.0, 0.5))
            };
            sleep(wait).await;
            match mood {
                _ if self.disk.is_dead() => return std::future::pending().await,
                Mood::Listens => self.ear.lock().unwrap().hear(change),
                Mood::Fails => return Err(SinkError::Retry("busy".into())),
                Mood::Hangs => return std::future::pending().await,
                Mood::Refuses => {
                    let mut ear = self.ear.lock().unwrap();
                    ear.excused.insert(change.entry.id.clone(), "refused");
                    return Err(SinkError::GiveUp("no".into()));
                }
            }
            self.disk.may_die(Death::AfterADelivery);
            if self.disk.is_dead() {
                return std::future::pending().await;
            }
            Ok(())
        })
    }
}
