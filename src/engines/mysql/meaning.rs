//! What the rows of MySQL mean: which statements and sessions are our own, which digest stands for which wording.

use super::known::Known;
use super::link::Link;
use crate::engine::EngineError;
use crate::engine::Visit;
use crate::engine::reading::Identity;
use crate::engine::shared::{locked, name_statements};
use crate::model::{Name, Rows, Timestamp};
use tokio::time::Instant;

pub fn understand(rows: &mut Rows, link: &Link, visit: &mut Visit) {
    let shared = &link.server.shared;
    match rows {
        Rows::Statements(rows) => name_statements(rows, &shared.texts(), visit),
        Rows::Sessions(rows) => {
            rows.retain(|row| !shared.is_own(row.pid));
            rows.iter_mut().for_each(|row| link.scene.complete(row));
        }
        _ => {}
    }
}

/// Who answers, and in which role: what another server, or the same after a promotion, would not say.
pub async fn ask_identity(link: &mut Link, known: &Known) -> Result<Identity, EngineError> {
    let rows = link.ask("identity").await?;
    let Some(row) = rows.first() else { return Err(EngineError::Unreachable("no identity".into())) };
    let role = if row.whole("read_only") == Some(0) { "primary" } else { "standby" };
    let started = match (row.number("now"), row.number("uptime")) {
        (Some(now), Some(uptime)) => {
            Some(locked(&link.server.shared.memory).started(now, uptime, Instant::now()))
        }
        _ => None,
    };
    Ok(Identity {
        server: Name::new(&format!("{role} {}", known.server)),
        started: started.map(Timestamp::new),
        statistics: None,
        database: None,
        statements: None,
    })
}
