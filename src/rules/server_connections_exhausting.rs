use crate::model::{Activity, Confidence, Database, Finding, Flavour, Name, Server, Session, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Server that runs out of connections
///
/// Nearly all the connections that the server admits are taken.
///
/// ## Why it hurts
///
/// The next client is refused, and it is not the one that took them: a failing health check, a deployment, the person who
/// comes to help.
///
/// ## What to do
///
/// Find out who holds them and what for: sessions that are idle belong to pools that are too large, sessions that wait
/// belong to a lock. A pooler between clients and server helps for good; a higher `max_connections` makes everything a
/// little slower, and in PostgreSQL it needs a restart.
///
/// ## When this page is wrong
///
/// When the pools are sized to take just that many and never more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConnectionsExhausting {
    /// Share of the connections open to everybody from which it is a warning. Calibrated by us: the rest is what a
    /// deployment takes for a moment.
    warn_share: f64,
    /// Share from which it is urgent.
    urgent_share: f64,
}

impl Default for ServerConnectionsExhausting {
    fn default() -> Self {
        Self { warn_share: 0.85, urgent_share: 0.95 }
    }
}

impl Rule for ServerConnectionsExhausting {
    const ID: &'static str = "server-connections-exhausting";
    const NEEDS: &'static [Topic] = &[Topic::Server];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        taken(seen).is_some()
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let servers = seen.now.rows::<Server>().filter_map(move |server| {
            let reserved = server.reserved_connections.map_or(0.0, |reserved| reserved.float());
            let open_to_all = server.connections_max?.float() - reserved;
            Some((taken(seen)?, open_to_all)).filter(|(_, open_to_all)| *open_to_all > 0.0)
        });
        let nearly_full = |(taken, all): &(f64, f64)| *taken >= self.warn_share * all;
        servers.filter(nearly_full).map(|(taken, all)| self.finding(taken, all, seen).into())
    }
}

/// By its databases, or by the server as a whole, whichever it counts by.
fn taken(seen: &Seen<'_>) -> Option<f64> {
    let by_database = seen.now.rows::<Database>().map(|database| database.connections.float());
    let at_once = || seen.now.rows::<Activity>().find_map(|server| Some(server.connected?.float()));
    let all = by_database.reduce(|sum, some| sum + some).or_else(at_once)?;
    Some((all - helpers(seen)).max(0.0))
}

/// Workers of queries and of autovacuum stand among the sessions of PostgreSQL's databases, and take no client's place.
fn helpers(seen: &Seen<'_>) -> f64 {
    let of_postgres = seen.now.rows::<Session>().filter(|_| seen.flavour == Flavour::Postgres);
    let helps = |session: &&Session| session.backend_type.as_deref().is_some_and(|kind| kind != "client backend");
    of_postgres.filter(|session| session.database.is_some()).filter(helps).count() as f64
}

impl ServerConnectionsExhausting {
    fn finding(&self, taken: f64, all: f64, seen: &Seen<'_>) -> Finding {
        let databases = seen.now.rows::<Database>();
        let fullest = databases.max_by(|a, b| a.connections.float().total_cmp(&b.connections.float()));
        let most = fullest.map_or(String::new(), |database| {
            format!(", {} of them in {}", database.connections.last.get(), database.database)
        });
        Finding {
            rule: Name::new(Self::ID),
            severity: if taken >= self.urgent_share * all { Severity::Urgent } else { Severity::Warning },
            database: None,
            subject: "connections".into(),
            because: format!("{taken:.0} of {all:.0} connections open to everybody are taken{most}"),
            evidence: evidence([
                ("connections", json!(taken)),
                ("connections_max", json!(all)),
                ("share_ratio", json!(taken / all)),
            ]),
            advice: "Find out who holds them: sessions that are idle, or that wait for a lock. Which to end is for a person to \
                     decide, so there is no script."
                .into(),
            fix: None,
            confidence: Confidence::Measured,
        }
    }
}
