//! Reading the texts of pg_stat_statements: seldom, and never when it would hurt.

use super::link::Link;
use crate::engine::reading::Failure;
use std::time::Duration;

/// Above this the file of texts is never read: the backend would hold all of it.
const MAX_FILE: i64 = 32 << 20;
/// A small file may be read every minute, a larger one every five.
const SMALL_FILE: i64 = 1 << 20;
const SOON: Duration = Duration::from_secs(60);
pub const LATER: Duration = Duration::from_secs(300);
/// Bytes of one text, as the SQL cuts it.
pub const MAX_TEXT: usize = 65_536;

pub struct Read {
    /// By the server's own id.
    pub texts: Vec<(i64, String)>,
    /// How long the file must be left alone now.
    pub pause: Duration,
}

pub async fn read(link: &mut Link, ids: &[i64]) -> Result<Read, Failure> {
    let size = match link.ask("texts_size", &[]).await {
        Ok(rows) => rows.first().and_then(|row| row.try_get::<_, Option<i64>>("size").ok().flatten()),
        Err(Failure::Refused { .. }) => {
            let why = "the size of the file of texts may not be asked; GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean)";
            return Err(Failure::refused(format!("{why}, or wait until sessions show them")));
        }
        Err(lost) => return Err(lost),
    };
    let size = size.unwrap_or(0);
    if size > MAX_FILE {
        return Err(Failure::refused(format!(
            "the file of texts has {} MB and each read would take as much memory in the server",
            size >> 20
        )));
    }
    let rows = link.ask("statement_texts", &[&ids]).await?;
    let text = |row: &tokio_postgres::Row| {
        Some((row.try_get("server_digest").ok()?, row.try_get::<_, Option<String>>("query").ok()??))
    };
    Ok(Read {
        texts: rows.iter().filter_map(text).collect(),
        pause: if size <= SMALL_FILE { SOON } else { LATER },
    })
}
