//! Every reader of what comes from outside as a function of bytes, which may be anything. The fuzzer in `fuzz/` calls
//! them with what it thinks of, `mangled` with damaged copies of what is kept there to begin with.

#[cfg(test)]
mod mangled;

#[cfg(test)]
pub use mangled::fuzz;

use crate::config::{Config, HttpList, TargetUrl};
use crate::digest::report::Report;
use crate::digest::unpack::{Respelled, spelling, unpack};
use crate::digest::{Bookmark, Feed, Filter, Sum};
use crate::engines::{mysql, postgres};
use crate::explain::{postgres as plan, run, table};
use crate::follow::kept::Kept;
use crate::log::{End, Format};
use crate::logs::envelope::{Envelope, Opened};
use crate::logs::{self, recognise};
use crate::remark::Hush;
use crate::sql::outline::outline;
use crate::sql::{self, Dialect, SqlMode, shape, written};
use crate::stores::columns;
use std::io::{Cursor, Read};

macro_rules! readers {
    ($($name:ident),+) => {
        /// All of them, by the name of their target and their corpus.
        pub const READERS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name),)+];
    };
}

readers!(
    logs_of_all_formats,
    plans,
    envelopes,
    packed,
    statements,
    configuration,
    mysql_server,
    postgres_server,
    state
);

/// The most that is unpacked: a few bytes can hold gigabytes.
const MOST: u64 = 1 << 20;

/// The first byte tells which format it shall be, and in how large pieces it comes.
pub fn logs_of_all_formats(bytes: &[u8]) {
    const FORMATS: [Format; 5] = [
        Format::PostgresStderr,
        Format::PostgresCsv,
        Format::PostgresJson,
        Format::MysqlSlow,
        Format::MysqlError,
    ];
    let Some((choice, log)) = bytes.split_first() else { return };
    let _ = recognise::format(log, None);
    let Some(format) = FORMATS.get(usize::from(*choice) % FORMATS.len()) else { return };
    let prefix = (choice & 0x40 != 0).then_some("%m [%p] %q%u@%d/%a ");
    let mut reader = logs::open(*format, prefix, log, true);
    let mut sum = Sum::new(*format, Filter::default());
    let mut feed = Feed::new(Bookmark::default(), 1 << 12);
    let mut rest = log;
    let piece = if choice & 0x80 != 0 { 7 } else { 4_096 };
    while !rest.is_empty() {
        let (mut now, later) = rest.split_at(piece.min(rest.len()));
        let _ = feed.more(&mut now);
        rest = later;
        while feed.step(reader.as_mut(), &mut sum, End::Open) {}
    }
    while feed.step(reader.as_mut(), &mut sum, End::Closed) {}
    let _ = serde_json::to_string(&Report::of(&sum, 1, 10));
}

pub fn plans(bytes: &[u8]) {
    if let Some(explained) = plan::logged(bytes, |_| true)
        && let Some(plan) = explained.plan
    {
        let _ = (plan.fingerprint(), plan.steps());
    }
    let _ = plan::asked(bytes);
    let _ = crate::explain::read(bytes).map(|plan| (plan.shape(), run::steps(&plan).len()));
    let _ = table::read(bytes).map(|plan| (plan.fingerprint(), plan.steps()));
}

pub fn envelopes(bytes: &[u8]) {
    let kinds = [Envelope::Json, Envelope::Cri, Envelope::Syslog, Envelope::Journal];
    for kind in Envelope::of(bytes).into_iter().chain(kinds) {
        let _ = Opened::new(bytes, kind, (2026, 12)).take(MOST).read_to_end(&mut Vec::new());
    }
}

pub fn packed(bytes: &[u8]) {
    let head = bytes.get(..bytes.len().min(16)).unwrap_or_default().to_vec();
    let rest = Cursor::new(bytes.get(head.len()..).unwrap_or_default().to_vec());
    let _ = unpack(head, Box::new(rest)).take(MOST).read_to_end(&mut Vec::new());
    if let Some(spelling) = spelling(bytes) {
        let _ = Respelled::new(bytes, spelling).take(MOST).read_to_end(&mut Vec::new());
    }
}

pub fn statements(bytes: &[u8]) {
    for dialect in [Dialect::Postgres, Dialect::MYSQL, Dialect::Mysql(SqlMode::default())] {
        let _ = outline(dialect, bytes, &mut Vec::new());
        let text = String::from_utf8_lossy(bytes);
        let _ = sql::normalise(dialect, &text);
        if let Ok(normal) = sql::normalise_cut(dialect, &text) {
            let _ = shape::read(dialect, &normal.fingerprint);
        }
        let _ = (shape::read(dialect, &text), Hush::in_text(dialect, &text));
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = (
        Hush::of(&text),
        sql::without_literals(Dialect::MYSQL, &text),
        sql::plannable(&text),
        written::read(&text),
    );
}

pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Config::from_text(&text, "dbsonde.toml");
    if let Ok(url) = text.parse::<TargetUrl>() {
        let _ = (url.redacted(), url.default_name());
    }
    let list: Result<HttpList, _> = serde_json::from_str("{\"url\": \"http://h/\"}");
    let _ = list.map(|list| list.read(&text));
    let _ = crate::config::mask(&text);
}

/// What a server says that we have knocked at.
pub fn mysql_server(bytes: &[u8]) {
    mysql::hear(bytes);
}

pub fn postgres_server(bytes: &[u8]) {
    postgres::hear(bytes);
}

/// What we have written down ourselves, and somebody has damaged.
pub fn state(bytes: &[u8]) {
    let _ = (columns::decode(bytes), columns::unseal(bytes), Kept::decode(bytes));
    if let Ok(sealed) = columns::seal(bytes) {
        let _ = (columns::decode(&sealed), Kept::decode(&sealed));
    }
}
