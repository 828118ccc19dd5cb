use crate::model::{
    Confidence, Finding, Fix, Flavour, Galera, GroupMember, Name, ReplicationReceiver, ScheduledEvent, Setting, Severity, Topic,
    evidence,
};
use crate::rule::{Rule, Seen, Word};
use crate::script::mysql;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Event that never runs
///
/// The server has events that it is to run by the clock, and it runs none of them: its scheduler is off, or they are still
/// left to a source that this server no longer has.
///
/// ## Why it hurts
///
/// Nobody gets an error. What they should do, clean up, add up or send, is just not done, and that is noticed when the disk is
/// full or a report is wrong. It happens when a dump is restored on a server whose scheduler is off, as it is by default on
/// MariaDB, and when a replica becomes the primary: there every event stays marked as the source's.
///
/// ## What to do
///
/// Switch the scheduler on, or the events that a promotion has left behind. Look at each of them first: some may have been
/// replaced by something outside the database meanwhile. What nobody needs, drop.
///
/// ## When this page is wrong
///
/// Where events are kept switched off on purpose, for example on a copy for tests. Name their schemas in `ignore`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventNeverRuns {
    /// Schemas whose events are not to run here.
    ignore: Vec<String>,
}

const SCHEDULER: &str = "event_scheduler";
/// Events named in one sentence.
const NAMED: usize = 3;

impl Rule for EventNeverRuns {
    const ID: &'static str = "event-never-runs";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];
    const NEEDS: &'static [Topic] = &[Topic::ScheduledEvents, Topic::Settings, Topic::ReplicationReceiver];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        // A copy leaves all events to whom it copies.
        let is_copy = seen.now.rows::<ReplicationReceiver>().next().is_some();
        let wanted = |event: &&ScheduledEvent| !is_copy && !self.ignore.iter().any(|schema| *schema == *event.schema);
        let events: Vec<&ScheduledEvent> = seen.now.rows::<ScheduledEvent>().filter(wanted).collect();
        let idle = scheduler_off(&events, seen);
        // Of a cluster's members only the one where an event was made runs it.
        let is_alone = seen.now.rows::<Galera>().next().is_none() && seen.now.rows::<GroupMember>().next().is_none();
        let left_behind = events.into_iter().filter(move |event| is_alone && &*event.status == "source");
        idle.into_iter().chain(left_behind.map(abandoned)).map(Word::from)
    }
}

fn name(event: &ScheduledEvent) -> String {
    format!("{}.{}", event.schema, event.event)
}

fn scheduler_off(events: &[&ScheduledEvent], seen: &Seen<'_>) -> Option<Finding> {
    let setting = seen.now.rows::<Setting>().find(|setting| &*setting.setting == SCHEDULER)?;
    let state = setting.value.as_deref().filter(|state| !state.eq_ignore_ascii_case("ON"))?;
    let waiting: Vec<String> =
        events.iter().filter(|event| &*event.status == "enabled").map(|event| name(event)).collect();
    let (count, first) = (waiting.len(), waiting.get(..NAMED.min(waiting.len()))?.join(", "));
    let noun = if count == 1 { "event is enabled and never runs" } else { "events are enabled and never run" };
    let rest = if count > NAMED { " and others" } else { "" };
    let can_be_set = !state.eq_ignore_ascii_case("DISABLED");
    (count > 0).then(|| Finding {
        rule: Name::new(EventNeverRuns::ID),
        severity: Severity::Warning,
        database: None,
        subject: SCHEDULER.to_owned(),
        because: format!("{SCHEDULER} is {state}: {count} {noun}, {first}{rest}"),
        evidence: evidence([
            ("value", json!(state)),
            ("source", json!(setting.source.as_str())),
            ("enabled_events", json!(count)),
        ]),
        advice: if can_be_set {
            "Look at the events, then switch the scheduler on, here and in the server's configuration."
        } else {
            "Look at the events, then set event_scheduler = ON in the server's configuration and restart it: DISABLED cannot be \
             changed while it runs."
        }
        .into(),
        fix: can_be_set.then(|| Fix {
            sql: vec![format!("SET GLOBAL {SCHEDULER} = ON;")],
            rollback: vec![format!("SET GLOBAL {SCHEDULER} = {state};")],
            lock: String::new(),
            blocks: "nobody".into(),
            transactional: false,
            caution: "What is due runs at once, with the rights of whoever made each event. The next start forgets it: set it in \
                      the configuration as well."
                .into(),
        }),
        confidence: Confidence::Measured,
    })
}

fn abandoned(event: &ScheduledEvent) -> Finding {
    let alter = format!("ALTER EVENT {}", mysql::qualified(&event.schema, &event.event));
    let name = name(event);
    Finding {
        rule: Name::new(EventNeverRuns::ID),
        severity: Severity::Warning,
        database: Some(event.schema.clone()),
        subject: name.clone(),
        because: format!("event {name} is left to the server that this one copies, and it copies 0 servers: nobody runs it"),
        evidence: evidence([("status", json!(event.status.as_str())), ("recurs", json!(event.recurs)), ("has_run", json!(event.has_run))]),
        advice: "Look at what it does, then enable it, or drop it.".into(),
        fix: Some(Fix {
            sql: vec![mysql::patience(2), format!("{alter} ENABLE;")],
            rollback: vec![format!("{alter} DISABLE ON SLAVE;")],
            lock: "an exclusive metadata lock on the event".into(),
            blocks: "who changes or drops this event, for a moment".into(),
            transactional: false,
            caution: "From then on it runs by the clock, and with the rights of whoever runs this: to leave it those of whoever made \
                      it, say `DEFINER=…` behind ALTER, as SHOW CREATE EVENT has it."
                .into(),
        }),
        confidence: Confidence::Measured,
    }
}
