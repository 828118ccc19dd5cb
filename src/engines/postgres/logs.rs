//! Where the server writes its log, and whether that is on this machine: the same path here may be another server's.
//! Where it is not, the server reads it for us.

use super::connect::Connection;
use super::known::text;
use super::link::Link;
use crate::engine::Lack;
use crate::engine::errand::{Errand, Fetched, LogFile, Piece};
use crate::engine::reading::Failure;
use crate::follow::{Through, Told, file};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Settings of the log, and what we may; those of the superuser are shown to members of pg_read_all_settings only.
/// 0.8 ms, no lock.
const SETTINGS: &str = "select /* dbsonde beat */ s.name as name
     , s.setting as setting
     , has_function_privilege('pg_catalog.pg_ls_logdir()', 'execute')
       and has_function_privilege('pg_catalog.pg_current_logfile()', 'execute') as may_list
     , has_function_privilege('pg_catalog.pg_read_binary_file(text,bigint,bigint,boolean)', 'execute') as may_read
     , quote_ident(current_user) as login
  from pg_show_all_settings() s
 where s.name in ('data_directory', 'log_directory', 'log_filename', 'log_destination', 'logging_collector', 'log_line_prefix')";

/// The file that is written now: a look at each file of the log directory, 0.1 ms with 30 of them, no lock.
const CURRENT: &str = "select /* dbsonde beat */ l.name as name
     , l.size as size
  from pg_ls_logdir() l
 where l.name = regexp_replace(pg_current_logfile(), '^.*/', '')";

/// What is known of the log, and what we are not allowed that we would need.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    /// `None` where it writes to no file of its own, does not tell, or does so elsewhere and we may not read it there.
    pub told: Option<Told>,
    pub lack: Option<Lack>,
}

pub async fn ask(connection: &Connection) -> Result<Logs, Failure> {
    let rows = connection.rows(SETTINGS, &[]).await?;
    let settings: BTreeMap<String, String> =
        rows.iter().map(|row| (text(row, "name"), text(row, "setting"))).collect();
    let may = |what: &str| rows.first().is_some_and(|row| row.try_get(what).unwrap_or_default());
    let login = rows.first().map(|row| text(row, "login")).unwrap_or_default();
    if settings.get("logging_collector").is_none_or(|value| value != "on") {
        return Ok(Logs::default());
    }
    let directory = directory(&settings).filter(|_| may("may_list"));
    let Some(directory) = directory else {
        let lack = Lack {
            what: "EXECUTE on pg_ls_logdir() and pg_current_logfile()".into(),
            disables: "where the server writes its log cannot be asked".into(),
            mend: format!("GRANT pg_monitor TO {login}"),
        };
        return Ok(Logs { told: None, lack: Some(lack) });
    };
    let current = match connection.limited(connection.client.query_opt(CURRENT, &[])).await {
        Ok(current) => current,
        // There is no file yet, or the directory is not as it was.
        Err(Failure::Refused { .. }) => return Ok(Logs::default()),
        Err(lost) => return Err(lost),
    };
    let Some(current) = current else { return Ok(Logs::default()) };
    let size = current.try_get::<_, i64>("size").ok().and_then(|size| u64::try_from(size).ok());
    // What it sees is here too: no other server's log has grown just as far.
    let here = file::see(&directory.join(text(&current, "name")));
    let is_here =
        here.is_ok_and(|here| size.is_some_and(|size| here.size >= size && here.size - size < MAX_GROWTH));
    let line_prefix = settings.get("log_line_prefix").cloned();
    let pattern = pattern(&settings);
    let home = settings.get("log_directory").map(Path::new);
    let through = home.filter(|_| may("may_read")).map(|home| Through::Files(home.join(&pattern)));
    let lack = through.is_none().then(|| Lack {
        what: "EXECUTE on pg_read_binary_file()".into(),
        disables: "the server's log is not followed: we cannot read it here, nor may we have the server read it for \
                   us, a right that opens every file of its data directory"
            .into(),
        mend: format!("GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) TO {login}"),
    });
    let patterns = if is_here { vec![directory.join(pattern)] } else { Vec::new() };
    let is_known = is_here || through.is_some();
    let told = is_known.then_some(Told { patterns, through, needs_through: !is_here, line_prefix });
    Ok(Logs { told, lack })
}

/// Reads for the follower what it cannot read itself.
pub async fn fetch(link: &mut Link, errand: &Errand) -> Result<Fetched, Failure> {
    match errand {
        Errand::LogFiles => {
            let rows = link.ask("log_files", &[]).await?;
            let file = |row: &tokio_postgres::Row| {
                Some(LogFile {
                    name: row.try_get("name").ok()?,
                    size: row.try_get::<_, i64>("size").ok()?.try_into().ok()?,
                    modified: row.try_get("modified").ok()?,
                })
            };
            Ok(Fetched::LogFiles(rows.iter().filter_map(file).collect()))
        }
        Errand::LogBytes { path, head, from, length } => {
            let from = i64::try_from(*from).unwrap_or(i64::MAX);
            let rows = link.ask("log_bytes", &[path, &i64::from(*head), &from, &i64::from(*length)]).await?;
            let piece = |row: &tokio_postgres::Row| {
                let bytes = |column| row.try_get::<_, Option<Vec<u8>>>(column).ok().flatten();
                Some(Piece { head: bytes("head")?, bytes: bytes("bytes")? })
            };
            Ok(Fetched::LogBytes(rows.first().and_then(piece)))
        }
        _ => Err(Failure::refused("PostgreSQL keeps no log in a table")),
    }
}

/// Written between the server's word and our look.
const MAX_GROWTH: u64 = 16 << 20;

fn directory(settings: &BTreeMap<String, String>) -> Option<PathBuf> {
    Some(Path::new(settings.get("data_directory")?).join(settings.get("log_directory")?))
}

/// `postgresql-%a.log` as a pattern, with the ending of the spelling that tells most.
fn pattern(settings: &BTreeMap<String, String>) -> String {
    let name = settings.get("log_filename").map_or("*.log", String::as_str);
    let destination = settings.get("log_destination").map(String::as_str).unwrap_or_default();
    let mut pattern = String::new();
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' if letters.next() == Some('%') => pattern.push('%'),
            '%' if pattern.ends_with('*') => {}
            '%' => pattern.push('*'),
            letter => pattern.push(letter),
        }
    }
    let ending = ["jsonlog", "csvlog"].into_iter().find(|kind| destination.contains(kind));
    match ending {
        Some(kind) => {
            let stem = pattern.strip_suffix(".log").unwrap_or(&pattern);
            format!("{stem}.{}", kind.trim_end_matches("log"))
        }
        None => pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_patterns() {
        let of = |name: &str, destination: &str| {
            let settings = [("log_filename", name), ("log_destination", destination)];
            pattern(&settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        };
        assert_eq!(of("postgresql-%Y-%m-%d_%H%M%S.log", "stderr"), "postgresql-*-*-*_*.log");
        assert_eq!(of("pg%%-%a.log", "stderr, csvlog"), "pg%-*.csv");
        assert_eq!(of("server", "csvlog,jsonlog"), "server.json");
    }
}
