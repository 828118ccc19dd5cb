//! What a database server writes about single executions, errors and itself, as values.
//!
//! ```text
//! bytes ──Reader──► Entry (what one record says, borrowed) ──fact──► Fact (what it means: a class, and numbers)
//! ```
//!
//! A [`Reader`] knows one format. It is fed bytes that begin where an entry begins and gives the entry and its
//! length, so whoever feeds it owns the position: an offset between two entries is all that must be kept to go on
//! later. Feeding is the same for a file read once and for one that grows. Nothing here opens a file.
//!
//! Texts inside an [`Entry`] are raw: they hold literals. What leaves the process goes through `sql`.

use crate::sql::Dialect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Microseconds since 1970, UTC.
pub type Micros = i64;

/// The largest entry that is read whole. Of a longer one the head is understood, the rest is passed over: a
/// statement of this length is a bulk load whose shape is known from its beginning.
pub const MAX_ENTRY: usize = 16 << 20;

/// How the entries of a log are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    PostgresStderr,
    PostgresCsv,
    PostgresJson,
    MysqlSlow,
    MysqlError,
}

impl Format {
    pub const ALL: [Self; 5] =
        [Self::PostgresStderr, Self::PostgresCsv, Self::PostgresJson, Self::MysqlSlow, Self::MysqlError];

    pub fn name(self) -> &'static str {
        match self {
            Self::PostgresStderr => "postgres-stderr",
            Self::PostgresCsv => "postgres-csv",
            Self::PostgresJson => "postgres-json",
            Self::MysqlSlow => "mysql-slow",
            Self::MysqlError => "mysql-error",
        }
    }

    pub fn dialect(self) -> Dialect {
        match self {
            Self::PostgresStderr | Self::PostgresCsv | Self::PostgresJson => Dialect::Postgres,
            Self::MysqlSlow | Self::MysqlError => Dialect::MYSQL,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no format of that name; there are {names}")
        })
    }
}

/// How much of the bytes at hand may still grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// More will come: an entry is whole only if the next one has begun.
    Open,
    /// Nothing more will come, or the entry has filled its room: what is there is all there is.
    Closed,
}

/// Reads one format.
pub trait Reader {
    /// The entry at the beginning of `bytes`, which begin where an entry begins, and how many bytes it takes.
    /// `None` if it is not known yet where the entry ends; with [`End::Closed`] that is never so.
    fn next<'a>(&'a mut self, bytes: &'a [u8], end: End) -> Option<(usize, Entry<'a>)>;

    /// Where in `bytes` an entry may begin, `from` or later, such that what lies before can be passed over.
    /// A guess that only reading from the start can prove: see `digest`, which does.
    fn seek(&mut self, bytes: &[u8], from: usize) -> Option<usize>;
}

/// One entry of a log. Everything borrowed is raw.
#[derive(Debug, Default)]
pub struct Entry<'a> {
    pub time: Option<Micros>,
    pub severity: Severity,
    pub sqlstate: Option<SqlState>,
    pub who: Who<'a>,
    pub body: Body<'a>,
}

/// Whose entry it is. Empty texts say nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Who<'a> {
    pub user: &'a [u8],
    pub database: &'a [u8],
    pub application: &'a [u8],
    pub host: &'a [u8],
    /// The process or session id, as written.
    pub session: &'a [u8],
}

#[derive(Debug, Default)]
pub enum Body<'a> {
    /// Bytes that are no entry of this format.
    #[default]
    Noise,
    /// What belongs to no entry but is no noise: banners, headings.
    Banner,
    /// A message of a PostgreSQL server.
    Message(Message<'a>),
    /// An entry of a slow log.
    Slow(Slow<'a>),
    /// A message of a MySQL or MariaDB server.
    Notice(Notice<'a>),
}

/// What PostgreSQL says in one entry. Absent parts are empty.
#[derive(Debug, Default, Clone, Copy)]
pub struct Message<'a> {
    pub text: &'a [u8],
    pub detail: &'a [u8],
    pub hint: &'a [u8],
    pub context: &'a [u8],
    pub statement: &'a [u8],
}

/// What a slow log says of one execution.
#[derive(Debug, Default)]
pub struct Slow<'a> {
    /// In microseconds.
    pub query_time: u64,
    pub lock_time: u64,
    pub rows_sent: u64,
    pub rows_examined: u64,
    pub rows_affected: u64,
    pub bytes_sent: u64,
    /// One of how many executions was written.
    pub rate: u64,
    pub errno: u32,
    /// Every other field with a number, `Yes` as one.
    pub others: Vec<(&'a [u8], f64)>,
    /// Rows of `# explain:`.
    pub explain: &'a [u8],
    /// The word of an administrator command; then there is no text.
    pub command: Option<&'a [u8]>,
    pub text: &'a [u8],
    /// The database was set by a `use`, for this entry and those after it; `who.database` may still be empty.
    pub uses: bool,
}

impl Slow<'_> {
    /// By default Percona writes what takes ten seconds whatever the rate (`slow_query_log_always_write_time`).
    const ALWAYS_WRITTEN: u64 = 10_000_000;

    /// More cannot be set: who writes more is not believed.
    pub const MAX_RATE: u64 = 1_000;

    /// How many executions the entry stands for.
    pub fn times(&self) -> u64 {
        if self.query_time >= Self::ALWAYS_WRITTEN { 1 } else { self.rate.max(1) }
    }
}

/// What the error log of a MySQL or MariaDB server says in one entry.
#[derive(Debug, Default, Clone, Copy)]
pub struct Notice<'a> {
    /// `MY-010926`, where the server tells.
    pub code: &'a [u8],
    /// `InnoDB`, `Server`, `Repl`, where the server tells.
    pub subsystem: &'a [u8],
    pub text: &'a [u8],
}

/// How bad it is, in the words of PostgreSQL; those of MySQL fall among them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    #[default]
    Log,
    Fatal,
    Panic,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Log => "log",
            Self::Fatal => "fatal",
            Self::Panic => "panic",
        }
    }

    /// The level words of PostgreSQL, also where `lc_messages` translates them. `None` for any other word.
    pub fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"LOG" | b"LOGG" | b"REGISTRO" | b"PROTOKOLL" => Self::Log,
            b"ERROR" | b"ERREUR" | b"FEHLER" | b"ERRORE" | b"ERRO" => Self::Error,
            b"FATAL" | b"FATALE" => Self::Fatal,
            b"PANIC" | b"PANIK" | b"PANICO" => Self::Panic,
            b"WARNING" | b"ATTENTION" | b"WARNUNG" | b"ADVERTENCIA" | b"ATTENZIONE" | b"AVISO" => {
                Self::Warning
            }
            b"NOTICE" | b"HINWEIS" | b"NOTIFICA" | b"NOTA" => Self::Notice,
            b"INFO" => Self::Info,
            b"DEBUG" | b"DEBUG1" | b"DEBUG2" | b"DEBUG3" | b"DEBUG4" | b"DEBUG5" => Self::Debug,
            _ => return None,
        })
    }
}

/// Five digits and capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqlState(pub [u8; 5]);

impl SqlState {
    pub fn of(text: &[u8]) -> Option<Self> {
        let state: [u8; 5] = text.try_into().ok()?;
        state.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()).then_some(Self(state))
    }

    /// `00000`: nothing went wrong.
    pub fn is_success(self) -> bool {
        self.0 == *b"00000"
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
