use crate::config::Span;
use crate::model::{Flavour, 
    Confidence, Finding, Fix, InTopic, Name, Progress, Setting, Severity, Stretch, Table, Topic, Unit, evidence,
};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Table that vacuum does not keep up with
///
/// A table has had far more dead rows than autovacuum should let it have, for a long time, and no vacuum came.
///
/// ## Why it hurts
///
/// Dead rows are read and skipped by every scan, the table and its indexes grow, and what has grown does not shrink by
/// itself.
///
/// ## What to do
///
/// Look for what holds vacuum back: a transaction or a replication slot that is hours old keeps dead rows alive, a lock
/// taken again and again sends autovacuum away, and its workers may all be busy elsewhere. Then vacuum the table.
///
/// ## When this page is wrong
///
/// In the hour after a large delete, while autovacuum is on its way through larger tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableVacuumBehind {
    /// Dead rows, as a multiple of what makes autovacuum come. Calibrated by us: at twice that much it is late.
    min_excess: f64,
    /// Fewer dead rows are not worth a conversation.
    min_dead_rows: f64,
    /// How long it must have been so. Calibrated by us: autovacuum looks every minute, and a large table takes a while.
    min_window: Span,
}

impl Default for TableVacuumBehind {
    fn default() -> Self {
        Self { min_excess: 2.0, min_dead_rows: 100_000.0, min_window: Span::secs(1_800) }
    }
}

impl Rule for TableVacuumBehind {
    const ID: &'static str = "table-vacuum-behind";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::Tables, Topic::Settings, Topic::Progress];
    const LOOKS_BACK_AT: &'static [Topic] = &[Topic::Tables];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.stretches(seen).next().is_some()
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let limits = Limits::of(seen);
        let at_work = |table: &Table| seen.now.rows::<Progress>().any(|work| work.relation_oid == Some(table.oid));
        let tables = limits.into_iter().flat_map(move |limits| {
            let stretches = self.stretches(seen);
            stretches.flat_map(move |(stretch, tables)| {
                let behind = move |table: &&'a Table| self.is_behind(table, &limits);
                tables.iter().filter(behind).map(move |table| (stretch, table, limits.of_table(table)))
            })
        });
        tables
            .filter(move |(_, table, _)| !at_work(table))
            .map(|(stretch, table, limit)| finding(stretch, table, limit).into())
    }
}

/// How many dead rows bring autovacuum.
#[derive(Clone, Copy)]
struct Limits {
    threshold: f64,
    scale: f64,
    /// PostgreSQL 18 and later.
    max: f64,
}

impl Limits {
    /// None where autovacuum is off: that has a page of its own.
    fn of(seen: &Seen<'_>) -> Option<Limits> {
        let value = |name: &str| {
            let setting = seen.now.rows::<Setting>().find(|setting| &*setting.setting == name);
            setting.and_then(|setting| setting.value.as_deref())
        };
        let number = |name: &str| value(name).and_then(|value| value.parse::<f64>().ok());
        (value("autovacuum")? == "on").then_some(())?;
        Some(Limits {
            threshold: number("autovacuum_vacuum_threshold")?,
            scale: number("autovacuum_vacuum_scale_factor")?,
            max: number("autovacuum_vacuum_max_threshold").filter(|max| *max >= 0.0).unwrap_or(f64::INFINITY),
        })
    }

    fn of_table(&self, table: &Table) -> f64 {
        let own = |name: &str| {
            let mut options = table.options.as_deref().unwrap_or_default().split(',');
            options.find_map(|option| option.strip_prefix(name)?.strip_prefix('=')?.parse::<f64>().ok())
        };
        let threshold = own("autovacuum_vacuum_threshold").unwrap_or(self.threshold);
        let scale = own("autovacuum_vacuum_scale_factor").unwrap_or(self.scale);
        let max = own("autovacuum_vacuum_max_threshold").filter(|max| *max >= 0.0).unwrap_or(self.max);
        (threshold + scale * table.rows.map_or(0.0, |rows| rows.float())).min(max)
    }
}

impl TableVacuumBehind {
    /// The shortest long enough of each database: what was mended is not held against it.
    fn stretches<'a>(&self, seen: &Seen<'a>) -> impl Iterator<Item = (&'a Stretch, &'a [Table])> + use<'a> {
        let min = self.min_window.get().as_secs_f64();
        let mut shortest = std::collections::BTreeMap::new();
        let windows = seen.ladder.iter().chain([seen.latest]);
        for (scope, stretch, tables) in windows.flat_map(|window| window.stretches_of::<Table>()) {
            let known = shortest.entry(scope).or_insert((stretch, tables));
            if stretch.seconds >= min && (stretch.seconds < known.0.seconds || known.0.seconds < min) {
                *known = (stretch, Table::of(&stretch.rows));
            }
        }
        shortest.into_values().filter(move |(stretch, _)| stretch.seconds >= min)
    }

    fn is_behind(&self, table: &Table, limits: &Limits) -> bool {
        let Some(dead) = table.dead_rows else { return false };
        // At both ends, and no vacuum in between: it was so all the time.
        let always = dead.min.float().min(dead.last.float());
        let none_came = table.autovacuums.is_some_and(|total| total.float() == 0.0)
            && table.vacuums.is_some_and(|total| total.float() == 0.0);
        let by_itself = !table.options.as_deref().unwrap_or_default().contains("autovacuum_enabled=false");
        none_came
            && by_itself
            && &*table.kind == "r"
            && &*table.persistence != "t"
            && always >= self.min_dead_rows
            && always >= self.min_excess * limits.of_table(table)
    }
}

fn finding(stretch: &Stretch, table: &Table, limit: f64) -> Finding {
    let dead = table.dead_rows.map_or(0.0, |dead| dead.float());
    let live = table.live_rows.map_or(0.0, |live| live.float());
    let name = format!("{}.{}", table.schema, table.table);
    Finding {
        rule: Name::new(TableVacuumBehind::ID),
        severity: Severity::Warning,
        database: table.database.clone(),
        subject: name.clone(),
        because: format!(
            "table {name} has {} dead rows beside {} live ones, autovacuum should come at {}, and no vacuum came in {}",
            script::count(dead),
            script::count(live),
            script::count(limit),
            script::duration(stretch.seconds),
        ),
        evidence: evidence([
            ("dead_rows", json!(dead)),
            ("live_rows", json!(live)),
            ("limit_rows", json!(limit.round())),
            ("last_autovacuum_unix_seconds", json!(table.last_autovacuum.map(|at| at.get().round()))),
            ("window_seconds", json!(stretch.seconds.round())),
        ]),
        advice: "Find out what holds vacuum back, then vacuum the table.".into(),
        fix: Some(Fix {
            sql: vec![
                script::patience(2),
                format!("VACUUM (ANALYZE) {};", script::qualified(&table.schema, &table.table)),
            ],
            rollback: Vec::new(),
            lock: "SHARE UPDATE EXCLUSIVE on the table".into(),
            blocks: "other schema changes of this table; no reads, no writes".into(),
            transactional: false,
            caution: "Reads the table and its indexes. While an old transaction is open it removes nothing. There is nothing \
                      to take back."
                .into(),
        }),
        confidence: Confidence::Estimated,
    }
}
