//! The one place where the text of a statement becomes safe to keep.
//!
//! A statement as a server or a log shows it holds what users typed: names of customers, passwords, tokens.
//! [`normalise`] reads it with the lexer of its dialect and returns the *fingerprint*: the same statement with
//! every literal and placeholder as `?`, lists folded, comments gone, blanks and case settled, the spelling of
//! names untouched. What the lexer does not understand is refused, never passed through, so a literal cannot
//! leave by a path nobody thought of. The *digest* is the hash of the fingerprint and our id for a statement.
//!
//! One dialect per file turns text into tokens (`postgres`, `mysql`); what tokens mean to a fingerprint is shared
//! (`token`, `fold`, `pieces`, `utility`), but for what only MySQL's digests lose (`reduce`).

mod cursor;
mod fold;
mod mode;
mod mysql;
pub mod outline;
mod pieces;
mod postgres;
mod reduce;
pub mod shape;
#[cfg(test)]
mod tests;
mod token;
mod utility;
pub mod written;

pub use mode::SqlMode;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// The longest text that is read: a longer one is a bulk load whose shape is known long before its end, and
/// reading it would cost more than the statement is worth. What comes after is cut.
pub const MAX_TEXT: usize = 1 << 20;

/// How the remark begins that our own statements carry, so that we can leave ourselves out of every number. The name
/// of the lane follows.
pub const TAG: &str = "/* dbsonde ";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    Postgres,
    /// MySQL, MariaDB and their kin: statements as typed, and the digest texts of performance_schema.
    Mysql(SqlMode),
}

impl Dialect {
    /// MySQL with the settings that it has by itself.
    pub const MYSQL: Self = Self::Mysql(SqlMode::DEFAULT);

    /// Part of what is hashed: a published name, never to be changed.
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql(_) => "mysql",
        }
    }
}

/// Our id of a statement: 16 hex digits wherever it is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u64);

/// A statement without its literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normal {
    /// The normal form, complete; the command words alone for a utility statement.
    pub fingerprint: String,
    /// Of the fingerprint. See [`Normal::key`] before keying on it.
    pub digest: Digest,
    pub class: Class,
    /// The text ended inside a token or a parenthesis: the fingerprint is only the beginning of a statement.
    pub truncated: bool,
}

impl Normal {
    /// The digest if it names a whole statement. Many statements share one beginning, so nothing may be summed
    /// under the digest of a truncated text.
    pub fn key(&self) -> Option<Digest> {
        (!self.truncated).then_some(self.digest)
    }
}

/// What kind of statement it is, told by its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    Select,
    Insert,
    /// MySQL's insert that deletes what is in its way.
    Replace,
    Update,
    Delete,
    /// Of PostgreSQL.
    Copy,
    Merge,
    Values,
    Table,
    With,
    /// Everything else. Its text is never kept, it holds passwords; these are the command words.
    Utility(&'static str),
}

/// Why there is no fingerprint. No variant carries any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Nothing but blanks and comments.
    Empty,
    /// The server shows a notice in place of the text, such as `<insufficient privilege>`.
    Hidden,
    /// More than one statement: its cost belongs to none of them.
    Several,
    /// Where a string ends depends on a setting of the session that we cannot see.
    Ambiguous,
    /// No text that the dialect could have read.
    Unreadable,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no statement in the text",
            Self::Hidden => "the server hides the text",
            Self::Several => "several statements in one text",
            Self::Ambiguous => "a backslash before a quote makes the end of a string uncertain",
            Self::Unreadable => "not a text of this dialect",
        })
    }
}

impl std::error::Error for Refused {}

/// The normal form of a text that is believed to be whole. A text that ends inside a token or a parenthesis
/// is found out and marked; one that was cut between two tokens cannot be: use [`normalise_cut`] for texts
/// that fill the space the server keeps for them.
pub fn normalise(dialect: Dialect, text: &str) -> Result<Normal, Refused> {
    read(dialect, text, false)
}

/// The normal form of a text known to have lost its end: the last token may be half of one and is dropped.
pub fn normalise_cut(dialect: Dialect, text: &str) -> Result<Normal, Refused> {
    read(dialect, text, true)
}

fn read(dialect: Dialect, text: &str, cut: bool) -> Result<Normal, Refused> {
    let kept = head(text, MAX_TEXT);
    let cut = cut || kept.len() < text.len();
    let shape = match dialect {
        Dialect::Postgres => fold::statement(dialect, postgres::Lexer::new(kept, cut)?)?,
        Dialect::Mysql(mode) => fold::statement(dialect, mysql::Lexer::new(kept, mode, cut)?)?,
    };
    let truncated = shape.truncated || (cut && !matches!(shape.class, Class::Utility(_)));
    let digest = digest(dialect, &shape.fingerprint, truncated);
    Ok(Normal { fingerprint: shape.fingerprint, digest, class: shape.class, truncated })
}

/// The beginning of a statement is hashed apart, so that it never wears the digest of a whole statement.
fn digest(dialect: Dialect, fingerprint: &str, truncated: bool) -> Digest {
    let part = if truncated { "\0cut" } else { "" };
    Digest(digest64(&format!("v1\0{}{part}\0{fingerprint}", dialect.name())))
}

fn digest64(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// The longest expression of a plan that is kept: nobody reads a longer one.
const MAX_EXPRESSION: usize = 2_000;

/// An expression as a server words it in a plan, with a `?` for each value. None where that cannot be told.
pub fn without_literals(dialect: Dialect, expression: &str) -> Option<String> {
    if expression.len() > MAX_EXPRESSION {
        return None;
    }
    let normal = normalise(dialect, &format!("select {expression}")).ok()?;
    let is_whole = !normal.truncated;
    normal.fingerprint.strip_prefix("select ").filter(|_| is_whole).map(str::to_owned)
}

/// A text of pg_stat_statements as it can be planned: `$1` where values were, without comments, and with
/// `$1::interval` for the `interval $1` that pg_stat_statements makes of a literal with a type before it.
pub fn plannable(text: &str) -> Result<String, Refused> {
    postgres::plannable(text)
}

/// The comments of a text that [`normalise`] understands, with the blanks around them: what stands between its tokens, and
/// so nothing of a literal.
pub fn comments(dialect: Dialect, text: &str, each: &mut dyn FnMut(&str)) {
    let kept = head(text, MAX_TEXT);
    match dialect {
        Dialect::Postgres => {
            let Ok(mut lexer) = postgres::Lexer::new(kept, false) else { return };
            while let Some(Ok(_)) = lexer.next() {
                each(lexer.between);
            }
            each(lexer.between);
        }
        Dialect::Mysql(mode) => {
            let Ok(mut lexer) = mysql::Lexer::new(kept, mode, false) else { return };
            while let Some(Ok(_)) = lexer.next() {
                each(lexer.between);
            }
            each(lexer.between);
        }
    }
}

/// Whether the text is one of our own statements. Asked of the raw text: comments are gone later.
pub fn is_ours(text: &str) -> bool {
    text.contains(TAG)
}

/// A fingerprint for a place with less room; an ellipsis says that something is missing.
pub fn shorten(text: &str, max_bytes: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    match max_bytes.checked_sub(ELLIPSIS.len()) {
        Some(room) => format!("{}{ELLIPSIS}", head(text, room)),
        None => String::new(),
    }
}

/// At most `max_bytes` of the text, ending at a character boundary.
fn head(text: &str, max_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or_default()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Not 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadDigest;

impl fmt::Display for BadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest is 16 hex digits")
    }
}

impl std::error::Error for BadDigest {}

impl FromStr for Digest {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Self, BadDigest> {
        // The number parser alone would also take a sign and fewer digits.
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadDigest);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| BadDigest)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
