//! What we demand of a server's messages beside their length: how it may ask for the password, and that what it
//! describes are columns as we asked for them.

use crate::config::Target;
use crate::engine::trust::{self, Trust};
use std::io;
use tokio_postgres::types::Type;

/// More columns than any query of ours has, with room for versions to come.
const MAX_COLUMNS: u16 = 500;
/// A proof of SCRAM is worked out while everything else here waits: 4,096 rounds are the rule, and these take some
/// tens of milliseconds.
const MAX_ROUNDS: u32 = 100_000;

/// How the server may make us prove who we are.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    nothing: bool,
    cleartext: bool,
    md5: bool,
    scram: bool,
}

/// Whether the bytes can be read or altered on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// TLS to a server whose certificate was verified, or a socket of this machine.
    Safe,
    Exposed,
}

impl Way {
    pub fn of_tls(target: &Target) -> Way {
        if trust::of(target) == Some(Trust::Anybody) { Way::Exposed } else { Way::Safe }
    }
}

impl Demand {
    /// `require_auth` as libpq means it. Where nothing is said we are stricter in one thing: a password in clear text
    /// goes only where nobody else can have asked for it.
    pub fn of(target: &Target, way: Way) -> Demand {
        let said = target.url.param("require_auth").unwrap_or_default();
        let words = || said.split(',').map(str::trim).filter(|word| !word.is_empty());
        let is_negated = words().any(|word| word.starts_with('!'));
        let allows = |word: &str, otherwise: bool| {
            if is_negated {
                otherwise && !words().any(|said| said.strip_prefix('!') == Some(word))
            } else if said.is_empty() {
                otherwise
            } else {
                words().any(|said| said == word)
            }
        };
        Demand {
            nothing: allows("none", true),
            cleartext: allows("password", way == Way::Safe),
            md5: allows("md5", true),
            scram: allows("scram-sha-256", true),
        }
    }

    /// Judges a request for proof. `asked` tells whether there was one before: at its end the server says yes.
    pub fn proof(self, body: &[u8], asked: bool) -> io::Result<()> {
        let refused = |what: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, what.to_owned()));
        match number(body, 0).map(u32::from_be_bytes) {
            Some(0) if asked || self.nothing => Ok(()),
            Some(0) => refused("the server lets us in without proof, and require_auth wants one"),
            Some(3) if self.cleartext => Ok(()),
            Some(3) => refused(
                "the server asks for the password in clear text where others could read it; use sslmode=verify-full, or allow it by require_auth=password",
            ),
            Some(5) if !self.md5 => refused("the server asks for an MD5 proof, and require_auth forbids it"),
            Some(10) if !self.scram => {
                refused("the server asks for a SCRAM proof, and require_auth forbids it")
            }
            Some(11) => rounds(body.get(4..).unwrap_or_default()),
            Some(_) => Ok(()),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "an unfinished message")),
        }
    }
}

/// Whatever a server wants of SCRAM's second message beside the number of rounds, the driver judges.
fn rounds(said: &[u8]) -> io::Result<()> {
    let wanted = said.split(|byte| *byte == b',').find_map(|word| word.strip_prefix(b"i="));
    let wanted = wanted.and_then(|word| std::str::from_utf8(word).ok()?.parse::<u32>().ok());
    match wanted {
        Some(1..=MAX_ROUNDS) | None => Ok(()),
        Some(many) => {
            let said =
                format!("the server wants {many} rounds of SCRAM, and {MAX_ROUNDS} is the most we give");
            Err(io::Error::new(io::ErrorKind::InvalidData, said))
        }
    }
}

/// Types that the driver does not know make it ask the server about them, and about the types of that answer, for as
/// long as the server likes. None of our columns has one.
pub fn columns(body: &[u8]) -> io::Result<()> {
    let many = count(body)?;
    let mut rest = body.get(2..).unwrap_or_default();
    for _ in 0..many {
        let end = rest.iter().position(|byte| *byte == 0).ok_or_else(unfinished)?;
        // After the name: table, place, type, size, modifier, format.
        let about = rest.get(end + 1..end + 19).ok_or_else(unfinished)?;
        known_type(number(about, 6).ok_or_else(unfinished)?)?;
        rest = rest.get(end + 19..).unwrap_or_default();
    }
    Ok(())
}

pub fn parameters(body: &[u8]) -> io::Result<()> {
    let many = count(body)?;
    (0..usize::from(many)).try_for_each(|nth| known_type(number(body, 2 + 4 * nth).ok_or_else(unfinished)?))
}

fn count(body: &[u8]) -> io::Result<u16> {
    let many = body.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes)).ok_or_else(unfinished)?;
    if many > MAX_COLUMNS {
        let said = format!("refused a row of {many} columns");
        return Err(io::Error::new(io::ErrorKind::InvalidData, said));
    }
    Ok(many)
}

fn known_type(bytes: [u8; 4]) -> io::Result<()> {
    let oid = u32::from_be_bytes(bytes);
    match Type::from_oid(oid) {
        Some(_) => Ok(()),
        // Zero stands for a parameter whose type nobody knows yet.
        None if oid == 0 => Ok(()),
        None => {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("refused a column of unknown type {oid}")))
        }
    }
}

fn number(body: &[u8], at: usize) -> Option<[u8; 4]> {
    body.get(at..)?.first_chunk::<4>().copied()
}

fn unfinished() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message ends before its time")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(params: &str, way: Way) -> Demand {
        let url = format!("postgres://u@h/db?{params}").parse().unwrap();
        Demand::of(&Target::new(url), way)
    }

    fn takes(demand: Demand, code: u32) -> bool {
        demand.proof(&code.to_be_bytes(), false).is_ok()
    }

    #[test]
    fn a_password_in_clear_text_wants_a_safe_way_or_a_word() {
        let usual = demand("", Way::Exposed);
        assert_eq!([0, 3, 5, 10].map(|code| takes(usual, code)), [true, false, true, true]);
        assert!(takes(demand("", Way::Safe), 3));
        let scram = demand("require_auth=scram-sha-256", Way::Safe);
        assert_eq!([0, 3, 5, 10].map(|code| takes(scram, code)), [false, false, false, true]);
        assert!(scram.proof(&[0; 4], true).is_ok(), "in at the end of a proof");
        assert!(takes(demand("require_auth=password", Way::Exposed), 3));
        let not = demand("require_auth=!md5,!none", Way::Exposed);
        assert_eq!([0, 3, 5, 10].map(|code| takes(not, code)), [false, false, false, true]);
        assert!(usual.proof(&[0], false).is_err());
        let scram = |rounds: &str| {
            let said = format!("r=nonce,s=c2FsdA==,i={rounds}");
            usual.proof(&[&11_u32.to_be_bytes()[..], said.as_bytes()].concat(), true)
        };
        assert!(scram("4096").is_ok() && scram("100000").is_ok());
        assert!(scram("0").is_err() && scram("100001").is_err() && scram("2147483648").is_err());
    }

    #[test]
    fn only_columns_of_known_types_and_in_reasonable_number() {
        let column = |oid: u32| [&b"a\0\0\0\0\0\0\0"[..], &oid.to_be_bytes(), &[0; 8]].concat();
        let described = |many: u16, oid: u32| {
            [&many.to_be_bytes()[..], &(0..many).flat_map(|_| column(oid)).collect::<Vec<u8>>()].concat()
        };
        assert!(columns(&described(3, 25)).is_ok());
        for body in [described(1, 99_999), described(501, 25), vec![0, 9], vec![0], vec![0, 1, b'a', 0, 0]] {
            assert!(columns(&body).is_err(), "{body:?}");
        }
        assert!(parameters(&[0, 1, 0, 0, 0, 25]).is_ok() && parameters(&[0, 1, 0, 0]).is_err());
    }
}
