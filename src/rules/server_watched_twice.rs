use crate::config::Span;
use crate::model::{Confidence, Finding, Name, Severity, Topic, Watcher, evidence};
use crate::rule::{Rule, Seen, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// # Watched by more than one dbsonde
///
/// Another dbsonde has sessions on this server beside ours.
///
/// ## Why it hurts
///
/// Both ask the same, so that watching costs twice. Each takes the other's statements for its own when it adds up what
/// it costs, and reads less often than it could. And every alert comes twice.
///
/// ## What to do
///
/// Find the other one by its client address, or by its sessions: `dbsonde` and eight digits in application_name of
/// pg_stat_activity, or as program_name in performance_schema.session_connect_attrs. Stop one of the two, or share
/// the fleet between them with `--shard`. Where a list of targets or a chart is rolled out twice, that is the place.
///
/// ## When this page is wrong
///
/// When two are wanted, one in each of two sites. Skip the page then. It does not see those whose application_name
/// somebody has chosen, those of another login without the right to see it, and `inspect`, which soon ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerWatchedTwice {
    /// Both must have been seen for so long. A process that is gone can leave sessions that look alive for two
    /// minutes, so it is more than that.
    min_seen: Span,
}

impl Default for ServerWatchedTwice {
    fn default() -> Self {
        Self { min_seen: Span::secs(180) }
    }
}

impl Rule for ServerWatchedTwice {
    const ID: &'static str = "server-watched-twice";
    const NEEDS: &'static [Topic] = &[Topic::Watchers];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let stays = |watcher: &&Watcher| watcher.seen_seconds.last.get() >= self.min_seen.get().as_secs_f64();

        let others: Vec<&Watcher> = seen.now.rows::<Watcher>().filter(stays).collect();
        (!others.is_empty()).then(|| finding(&others).into()).into_iter()
    }
}

fn finding(others: &[&Watcher]) -> Finding {
    let clients: BTreeSet<&str> =
        others.iter().map(|watcher| watcher.client.as_deref().unwrap_or("the server's own machine")).collect();
    let from = clients.iter().copied().collect::<Vec<_>>().join(", ");
    let names: Vec<&Name> = others.iter().map(|watcher| &watcher.watcher).collect();
    let who = match others {
        [_] => "Another dbsonde watches".to_owned(),
        several => format!("{} other dbsondes watch", several.len()),
    };
    Finding {
        rule: Name::new(ServerWatchedTwice::ID),
        severity: Severity::Note,
        database: None,
        subject: "dbsonde".to_owned(),
        because: format!("{who} this server beside us, from {from}."),
        evidence: evidence([("others", json!(names)), ("clients", json!(clients))]),
        advice: "Stop one of them, or share the targets between them: --shard 1/2.".to_owned(),
        fix: None,
        confidence: Confidence::Measured,
    }
}
