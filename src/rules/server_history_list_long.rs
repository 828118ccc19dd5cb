use crate::config::Span;
use crate::model::{Confidence, Finding, Fix, Flavour, Innodb, Name, Session, Severity, Stretch, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Server that keeps too many old versions of rows
///
/// InnoDB cannot throw away what rows once were, because a transaction may still look at it, or because it does not keep up
/// (MySQL, MariaDB).
///
/// ## Why it hurts
///
/// Every reader walks along the old versions of each row that changes often: what took a millisecond in the morning takes a second
/// at noon. The undo tablespaces grow, and some of them never shrink again.
///
/// ## What to do
///
/// End the transaction that has been open for longest, and mend the program that forgot it: it need not have changed anything, to
/// have read once is enough. If none is old, the server writes faster than it cleans: `innodb_purge_threads`, a faster disk, or
/// less writing.
///
/// ## When this page is wrong
///
/// While a backup or a large report reads one state of all the data. It passes when they are done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerHistoryListLong {
    /// Transactions whose old versions are kept. Calibrated by us: where cleaning keeps up there are some thousands at most.
    min_length: u64,
    /// How many make it urgent.
    urgent_length: u64,
    /// A transaction that has been open for less is not to blame.
    min_age: Span,
    /// How long it must have been so: one large transaction leaves as many for a moment.
    min_window: Span,
}

impl Default for ServerHistoryListLong {
    fn default() -> Self {
        Self { min_length: 100_000, urgent_length: 5_000_000, min_age: Span::secs(60), min_window: Span::secs(60) }
    }
}

impl Rule for ServerHistoryListLong {
    const ID: &'static str = "server-history-list-long";
    const OF: &'static [Flavour] = &[Flavour::Mysql, Flavour::Mariadb];
    const NEEDS: &'static [Topic] = &[Topic::Innodb];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.long_enough(seen).is_some()
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let least = |row: &Innodb| row.history_length.map_or(0, |length| length.min.get().min(length.last.get()));

        self.long_enough(seen)
            .into_iter()
            .flat_map(|(stretch, rows)| rows.iter().map(move |row| (stretch, row)))
            .filter(move |(_, row)| least(row) >= self.min_length)
            .map(|(stretch, row)| self.finding(stretch, row, seen).into())
    }
}

impl ServerHistoryListLong {
    /// The shortest stretch that is long enough: what is cleaned by now is not held against anybody.
    fn long_enough<'a>(&self, seen: &Seen<'a>) -> Option<(&'a Stretch, &'a [Innodb])> {
        let min = self.min_window.get().as_secs_f64();
        let stretches = seen.windows().flat_map(|window| window.stretches_of::<Innodb>());
        let enough = stretches.map(|(_, stretch, rows)| (stretch, rows)).filter(|(stretch, _)| stretch.seconds >= min);
        enough.min_by(|(a, _), (b, _)| a.seconds.total_cmp(&b.seconds))
    }

    fn finding(&self, stretch: &Stretch, row: &Innodb, seen: &Seen<'_>) -> Finding {
        let length = row.history_length.map_or(0, |length| length.last.get());
        let oldest = oldest(seen).filter(|(_, age)| *age >= self.min_age.get().as_secs_f64());
        let kept = format!(
            "InnoDB keeps old versions of {} transactions, and did for {}",
            script::count(length as f64),
            script::duration(stretch.seconds),
        );
        let because = match oldest {
            Some((session, age)) => format!(
                "{kept}; session {} has had its transaction open for {}",
                session.pid,
                script::duration(age),
            ),
            None => format!("{kept}, though no transaction is old"),
        };
        Finding {
            rule: Name::new(Self::ID),
            severity: if length >= self.urgent_length { Severity::Urgent } else { Severity::Warning },
            database: None,
            subject: "history list".into(),
            because,
            evidence: evidence([
                ("history_length", json!(length)),
                ("window_seconds", json!(stretch.seconds.round())),
                ("pid", json!(oldest.map(|(session, _)| session.pid))),
                ("user", json!(oldest.and_then(|(session, _)| session.user.as_deref()))),
                ("open_seconds", json!(oldest.map(|(_, age)| age.round()))),
            ]),
            advice: match oldest {
                Some(_) => "Mend the program that left its transaction open; end this session.",
                None => {
                    "It writes faster than it cleans: more purge threads, a faster disk, or less writing. There is no script \
                     for that."
                }
            }
            .into(),
            fix: oldest.map(|(session, _)| Fix {
                sql: vec![script::end_session(seen.flavour, session.pid)],
                rollback: Vec::new(),
                lock: String::new(),
                blocks: "nobody; the session's own transaction is rolled back".into(),
                transactional: false,
                caution: "The work of that transaction is lost.".into(),
            }),
            confidence: Confidence::Measured,
        }
    }
}

/// The session whose transaction is the oldest, and how old that is by the server's clock. Not one of the server's own: what
/// plays a source's changes is no program's mistake.
fn oldest<'a>(seen: &Seen<'a>) -> Option<(&'a Session, f64)> {
    let age = |session: &Session| Some(session.asked?.get() - session.transaction_start?.get());
    let of_clients = seen.now.rows::<Session>().filter(|session| !session.is_servers_own());
    let open = of_clients.filter_map(|session| Some((session, age(session)?)));
    open.max_by(|(_, a), (_, b)| a.total_cmp(b))
}
