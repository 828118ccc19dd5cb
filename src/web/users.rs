//! Who has shown a user and a password. What a check costs is nobody's way in: failures are never remembered, a name
//! that nobody has costs the same, and only one check runs at a time.

use crate::config::User;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA256, Key, sign, verify};
use ring::rand::SystemRandom;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Scrapers and people who have been let in; the oldest is checked anew.
const MAX_REMEMBERED: usize = 100;
/// Checks that wait their turn. Each takes some tens of milliseconds of a core.
const MAX_WAITING: usize = 16;

/// A keyed hash: nobody without our key can choose what it collides with.
type Tag = [u8; 32];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    In,
    Refused,
    /// Too many want to be checked.
    Busy,
}

pub struct Users {
    known: Vec<(Tag, String)>,
    /// Checked in place of the hash of a user that does not exist: the dearest that there is.
    decoy: String,
    key: Key,
    passed: Mutex<Passed>,
    turn: Semaphore,
    waiting: AtomicUsize,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Users({})", self.known.len())
    }
}

#[derive(Default)]
struct Passed {
    tags: HashSet<Tag>,
    oldest_first: VecDeque<Tag>,
}

impl Users {
    /// `None` where everybody may come in, or an error where the system has no randomness to give.
    pub fn of(users: &[User]) -> Result<Option<Users>, ring::error::Unspecified> {
        if users.is_empty() {
            return Ok(None);
        }
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new())?;
        let known = users.iter().map(|user| (tag(&key, &[&user.name]), user.hash.clone())).collect();
        let cost = |user: &&User| user.hash.split('$').nth(2).and_then(|cost| cost.parse::<u32>().ok());
        let decoy = users.iter().max_by_key(cost).map(|user| user.hash.clone()).unwrap_or_default();
        let (passed, turn, waiting) = (Mutex::default(), Semaphore::new(1), AtomicUsize::new(0));
        Ok(Some(Users { known, decoy, key, passed, turn, waiting }))
    }

    pub async fn admit(self: &Arc<Self>, headers: &HeaderMap) -> Admission {
        let Some((name, password)) = credentials(headers) else { return Admission::Refused };
        // Every name is compared, and in constant time: how long it takes tells nothing of who is known.
        let mut hash = None;
        for (tag, of_user) in &self.known {
            if verify(&self.key, &framed(&[&name]), tag).is_ok() {
                hash = Some(of_user.clone());
            }
        }
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let proof = tag(&self.key, &[&name, &hash, &password]);
        if known && self.lock().tags.contains(&proof) {
            return Admission::In;
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Admission::Busy;
        }
        let _waits = Waits(self);
        let Ok(_turn) = self.turn.acquire().await else { return Admission::Refused };
        let checked = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        if !(checked.await.unwrap_or(false) && known) {
            return Admission::Refused;
        }
        self.lock().remember(proof);
        Admission::In
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One check that waits or runs; a client that leaves takes its place with it.
struct Waits<'u>(&'u Users);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Passed {
    fn remember(&mut self, tag: Tag) {
        if self.tags.insert(tag) {
            self.oldest_first.push_back(tag);
        }
        if self.oldest_first.len() > MAX_REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.tags.remove(&oldest);
        }
    }
}

/// Each part with its length before it, so that no two lists of parts look the same.
fn framed(parts: &[&str]) -> Vec<u8> {
    let mut framed = Vec::new();
    for part in parts {
        framed.extend_from_slice(&(part.len() as u64).to_le_bytes());
        framed.extend_from_slice(part.as_bytes());
    }
    framed
}

fn tag(key: &Key, parts: &[&str]) -> Tag {
    let signed = sign(key, &framed(parts));
    let mut tag = [0; 32];
    for (to, from) in tag.iter_mut().zip(signed.as_ref()) {
        *to = *from;
    }
    tag
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (only, None) = (given.next()?, given.next()) else { return None };
    let (scheme, encoded) = only.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    plain.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn users() -> Arc<Users> {
        let hash = |password: &str, cost| bcrypt::hash(password, cost).unwrap();
        let user = |name: &str, hash| User { name: name.to_owned(), hash };
        let users = [user("alice", hash("open sesame", 9)), user("bob", hash("bricks", 4))];
        Arc::new(Users::of(&users).unwrap().unwrap())
    }

    fn shown(name: &str, password: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[tokio::test]
    async fn only_who_knows_a_password_is_let_in_and_remembered() {
        let users = users();
        for (name, password, expected) in [
            ("alice", "open sesame", Admission::In),
            ("alice", "bricks", Admission::Refused),
            ("bob", "bricks", Admission::In),
            ("", "", Admission::Refused),
            // What a cache keyed by a plain join of its parts would take for another's.
            ("alice", "open sesame\0", Admission::Refused),
            ("alic", "eopen sesame", Admission::Refused),
            ("carol", "open sesame", Admission::Refused),
        ] {
            assert_eq!(users.admit(&shown(name, password)).await, expected, "{name}");
        }
        assert_eq!(users.lock().tags.len(), 2, "failures leave nothing behind");
        assert_eq!(users.admit(&HeaderMap::new()).await, Admission::Refused);
        let mut twice = shown("bob", "bricks");
        twice.append(header::AUTHORIZATION, shown("x", "y")[header::AUTHORIZATION].clone());
        assert_eq!(users.admit(&twice).await, Admission::Refused);
        assert!(Users::of(&[]).unwrap().is_none());
    }

    /// Counted in checks, not in seconds: the decoy is as dear as the dearest hash.
    #[tokio::test]
    async fn a_name_that_nobody_has_costs_the_same() {
        let users = users();
        assert!(users.decoy.starts_with("$2b$09$"), "{}", users.decoy);
        let began = Instant::now();
        users.admit(&shown("nobody", "x")).await;
        let stranger = began.elapsed();
        let began = Instant::now();
        users.admit(&shown("bob", "x")).await;
        assert!(began.elapsed() < stranger, "bob's hash is the cheaper one");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut passed = Passed::default();
        (0..=255_u8).for_each(|nth| passed.remember([nth; 32]));
        assert_eq!((passed.tags.len(), passed.oldest_first.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(passed.tags.contains(&[255; 32]) && !passed.tags.contains(&[0; 32]));
    }
}
