//! When to knock at a server: one lane at a time until somebody is in, and not too often with a refused password.

use super::EngineError;
use super::shared::locked;
use crate::config::{Secret, Target};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{Mutex as Gate, MutexGuard};
use tokio::time::Instant;

/// Accounts are locked after a handful of failures within minutes: a refused password rests this long, and
/// twice as long each time, up to `LONGEST_REST`.
const FIRST_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(600);
/// A password that was not refused yet may be the new one, but a command brings a new one each time.
const FIRST_REST_OF_NEW: Duration = Duration::from_secs(10);
const LONGEST_REST_OF_NEW: Duration = Duration::from_secs(120);
#[derive(Debug, Default)]
pub struct Door {
    state: Mutex<State>,
    /// Until somebody is in, one lane tries at a time: three wrong passwords at once are three too many.
    gate: Gate<()>,
}

#[derive(Debug, Default)]
struct State {
    is_proved: bool,
    refused: Option<Refused>,
}

#[derive(Debug)]
struct Refused {
    passwords: Vec<Option<Secret>>,
    at: Instant,
    times: u32,
    said: String,
}

impl Refused {
    /// How long until the next try, with these passwords in hand.
    fn rest(&self, passwords: &[Option<Secret>]) -> Option<Duration> {
        let (first, longest) = match self.passwords == passwords {
            true => (FIRST_REST, LONGEST_REST),
            false => (FIRST_REST_OF_NEW, LONGEST_REST_OF_NEW),
        };
        let doubled = first.saturating_mul(1 << self.times.saturating_sub(1).min(16));
        doubled.min(longest).checked_sub(self.at.elapsed()).filter(|rest| !rest.is_zero())
    }
}

/// Leave to try once.
#[derive(Debug)]
pub struct Permit<'a> {
    door: &'a Door,
    /// One for each place of the target, read a moment ago, so that a new one is found without a restart.
    pub passwords: Vec<Option<Secret>>,
    _one_at_a_time: Option<MutexGuard<'a, ()>>,
}

impl Door {
    pub async fn permit(&self, target: &Target) -> Result<Permit<'_>, EngineError> {
        let is_proved = locked(&self.state).is_proved;
        let one_at_a_time = if is_proved { None } else { Some(self.gate.lock().await) };
        let passwords = passwords(target).await?;
        if let Some(refused) = &locked(&self.state).refused
            && let Some(rest) = refused.rest(&passwords)
        {
            let said = &refused.said;
            let seconds = rest.as_secs() + 1;
            return Err(EngineError::Denied(format!(
                "{said}; next try in {seconds} s, lest the account be locked"
            )));
        }
        Ok(Permit { door: self, passwords, _one_at_a_time: one_at_a_time })
    }
}

impl Permit<'_> {
    pub fn entered(self) {
        *locked(&self.door.state) = State { is_proved: true, refused: None };
    }

    /// The server has refused who we are or what we know; nothing else counts.
    pub fn refused(self, said: &str) {
        let mut state = locked(&self.door.state);
        let times = state.refused.as_ref().map_or(0, |refused| refused.times) + 1;
        let refused = Refused { passwords: self.passwords, at: Instant::now(), times, said: said.to_owned() };
        *state = State { is_proved: false, refused: Some(refused) };
    }
}

async fn passwords(target: &Target) -> Result<Vec<Option<Secret>>, EngineError> {
    let mut passwords: Vec<Option<Secret>> = Vec::new();
    for place in target.url.places() {
        // A command is run once, whatever the number of places.
        let known = passwords.first().filter(|_| target.password_command.is_some());
        let password = match known {
            Some(printed) => printed.clone(),
            None => {
                let read = target.password(place).await;
                read.map_err(|error| EngineError::Denied(error.to_string()))?
            }
        };
        passwords.push(password);
    }
    Ok(passwords)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refused_password_rests_longer_each_time_and_a_new_one_shorter() {
        let one = vec![Some(Secret::new("one".to_owned()))];
        let two = vec![Some(Secret::new("two".to_owned()))];
        let mut refused =
            Refused { passwords: one.clone(), at: Instant::now(), times: 1, said: String::new() };
        let rests = |refused: &Refused, passwords| refused.rest(passwords).map(|rest| rest.as_secs());
        assert_eq!((rests(&refused, &one), rests(&refused, &two)), (Some(60), Some(10)));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!((rests(&refused, &one), rests(&refused, &two)), (Some(50), None));
        refused.times = 3;
        assert_eq!((rests(&refused, &one), rests(&refused, &two)), (Some(230), Some(30)));
        refused.times = 100;
        assert_eq!((rests(&refused, &one), rests(&refused, &two)), (Some(590), Some(110)));
    }
}
