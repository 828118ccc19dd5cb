//! Utility statements: of `alter role x password '…'` only `alter role` is kept. The words come from a list, so
//! that nothing a user typed can come out, not even a name.

mod mysql;

use super::fold::Folded;
use super::token::{Stop, Token};
use super::{Class, Dialect, Refused};

/// How many words from the start may matter: `create or replace global temporary recursive event trigger`.
const MAX_WORDS: usize = 7;

/// What is said of a command that is not listed.
const UNKNOWN: &str = "utility";

/// Words between the verb and the kind of object.
const NOISE: &[&str] = &[
    "or",
    "replace",
    "global",
    "local",
    "temp",
    "temporary",
    "unlogged",
    "unique",
    "recursive",
    "constraint",
    "trusted",
    "procedural",
    "session",
    "persist",
    "full",
    "extended",
    "ignore",
    "online",
    "offline",
];

/// Commands on a kind of object.
macro_rules! objects {
    ($($kind:literal)*) => {
        &[$(concat!("create ", $kind), concat!("alter ", $kind), concat!("drop ", $kind)),*]
    };
}
use objects;

/// Longer kinds stand before the kinds they begin with.
const OBJECTS: &[&str] = objects!(
    "access method" "aggregate" "cast" "collation" "conversion" "database" "default privileges" "domain" "event trigger" "extension"
    "foreign data wrapper" "foreign table" "function" "group" "index" "language" "large object"
    "materialized view" "operator class" "operator family" "operator" "owned" "policy" "procedure"
    "publication" "role" "routine" "rule" "schema" "sequence" "server" "statistics" "subscription" "system"
    "table" "tablespace" "text search" "transform" "trigger" "type" "user mapping" "user" "view"
);

/// The others; longer ones stand before the ones they begin with. The last line is what a replication connection
/// and the autovacuum show.
const COMMANDS: &[&str] = &[
    "abort",
    "alter",
    "analyse",
    "analyze",
    "begin",
    "call",
    "checkpoint",
    "close",
    "cluster",
    "comment",
    "commit prepared",
    "commit",
    "create",
    "deallocate",
    "declare",
    "discard",
    "do",
    "drop",
    "end",
    "execute",
    "explain",
    "fetch",
    "grant",
    "import foreign schema",
    "listen",
    "load",
    "lock",
    "move",
    "notify",
    "prepare transaction",
    "prepare",
    "reassign owned",
    "refresh materialized view",
    "reindex",
    "release",
    "reset",
    "revoke",
    "rollback prepared",
    "rollback to",
    "rollback",
    "savepoint",
    "security label",
    "set constraints",
    "set",
    "show",
    "start transaction",
    "truncate",
    "unlisten",
    "vacuum",
    "autovacuum",
    "base_backup",
    "create_replication_slot",
    "drop_replication_slot",
    "identify_system",
    "read_replication_slot",
    "start_replication",
    "timeline_history",
];

/// Reads to the end only to learn whether more statements follow. A text that cannot be read to its end is still
/// known by its first words, and of the rest nothing is kept.
pub(super) fn statement<'a, L>(dialect: Dialect, tokens: L) -> Result<Folded, Refused>
where
    L: Iterator<Item = Result<Token<'a>, Stop>>,
{
    let mut words = Vec::with_capacity(MAX_WORDS);
    let mut leading = true;
    let mut ended = false;
    let mut cut = false;
    for token in tokens {
        match token {
            Ok(Token::Symbol(";")) => ended = true,
            _ if ended && !holds_statements(dialect, &words) => return Err(Refused::Several),
            Ok(Token::Word(word, _)) if leading && words.len() < MAX_WORDS => {
                words.push(word.to_ascii_lowercase())
            }
            Ok(_) => leading = false,
            Err(_) => {
                cut = leading;
                break;
            }
        }
        leading &= !ended;
    }
    let command = command(dialect, &words);
    // Once its words are complete the command is whole, even where the text is not: its digest names the command.
    Ok(Folded { fingerprint: command.to_owned(), class: Class::Utility(command), truncated: cut })
}

/// `create function … begin atomic …; …; end` and `create rule … do (…; …)` hold statements of their own.
fn holds_statements(dialect: Dialect, words: &[String]) -> bool {
    let command = command(dialect, words);
    match dialect {
        Dialect::Postgres => matches!(command, "create function" | "create procedure" | "create rule"),
        Dialect::Mysql(_) => mysql::HOLD_STATEMENTS.contains(&command),
    }
}

fn command(dialect: Dialect, words: &[String]) -> &'static str {
    let lists = match dialect {
        Dialect::Postgres => [OBJECTS, COMMANDS],
        Dialect::Mysql(_) => [mysql::OBJECTS, mysql::COMMANDS],
    };
    let mut said = String::new();
    for (at, word) in words.iter().enumerate() {
        if at == 0 || !NOISE.contains(&word.as_str()) {
            said.push_str(word);
            said.push(' ');
        }
    }
    let begins = |phrase: &&&str| said.strip_prefix(**phrase).is_some_and(|rest| rest.starts_with(' '));
    lists.into_iter().flatten().find(begins).copied().unwrap_or(UNKNOWN)
}
