//! What a server keeps from us: rights that were not given, instruments that are switched off. Each with the
//! statement or the setting that mends it.

use super::answer::Named;
use super::connect::Connection;
use super::known::Variables;
use crate::engine::Lack;
use crate::engine::reading::Failure;
use crate::engine::template::Catalogue;
use std::collections::BTreeSet;

/// One row each; no lock.
const CONSUMERS: &str = "select /* dbsonde beat */ 0 as dbsonde_beat, name as name \
     from performance_schema.setup_consumers where enabled = 'YES'";
/// At most two rows of some 1,200: ~0.3 ms.
const INSTRUMENTS: &str = "select /* dbsonde beat */ 0 as dbsonde_beat, name as name \
     from performance_schema.setup_instruments \
     where name in ('wait/lock/metadata/sql/mdl', 'wait/io/table/sql/handler') and enabled = 'YES'";
const LOGIN: &str = "select /* dbsonde beat */ 0 as dbsonde_beat, current_user() as login";

/// What these hold is there whether performance_schema is on or not.
const ALWAYS_ON: [&str; 5] = ["global_", "session_", "variables_", "persisted_", "replication_"];

/// What of the server's instruments is on.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Switches {
    pub performance_schema: bool,
    /// We may not read it, whatever the catalogue shows.
    pub denied: bool,
    consumers: BTreeSet<String>,
    instruments: BTreeSet<String>,
    no_digests: bool,
    login: String,
}

impl Switches {
    pub async fn ask(
        connection: &mut Connection,
        catalogue: &Catalogue,
        variables: &Variables,
    ) -> Result<Switches, Failure> {
        let mut switches = Switches {
            performance_schema: variables.is_on("performance_schema"),
            no_digests: variables.number("performance_schema_digests_size") == Some(0.0),
            ..Switches::default()
        };
        let mut rows: Vec<Named> = Vec::new();
        connection.run(&mut rows, LOGIN).await?;
        switches.login = rows.first().and_then(|row| row.text("login")).map(quoted_login).unwrap_or_default();
        if !catalogue.contains_key("performance_schema.setup_consumers") || !switches.performance_schema {
            return Ok(switches);
        }
        switches.again(connection).await
    }

    /// The same of what can be turned while the server runs.
    pub async fn again(&self, connection: &mut Connection) -> Result<Switches, Failure> {
        let mut switches = self.clone();
        if !self.performance_schema {
            return Ok(switches);
        }
        let mut rows: Vec<Named> = Vec::new();
        // Who may write to its tables sees their columns, and yet may not read them.
        match connection.run(&mut rows, CONSUMERS).await {
            Ok(()) => {}
            Err(Failure::Refused { .. }) => {
                switches.denied = true;
                return Ok(switches);
            }
            Err(lost) => return Err(lost),
        }
        let names =
            |rows: &[Named]| rows.iter().filter_map(|row| row.text("name")).map(str::to_owned).collect();
        switches.consumers = names(&rows);
        rows.clear();
        connection.run(&mut rows, INSTRUMENTS).await?;
        switches.instruments = names(&rows);
        Ok(switches)
    }

    fn has(&self, consumer: &str) -> bool {
        self.consumers.contains(consumer)
    }

    fn measures(&self, instrument: &str) -> bool {
        self.instruments.contains(instrument)
    }

    /// Says of each object that the server does not fill why, and how to make it.
    pub fn mark(&self, catalogue: &mut Catalogue) {
        for (name, object) in catalogue {
            let Some(name) = name.strip_prefix("performance_schema.") else { continue };
            object.off = if ALWAYS_ON.iter().any(|begin| name.starts_with(begin)) {
                None
            } else if !self.performance_schema {
                Some(PERFORMANCE_SCHEMA_OFF.to_owned())
            } else {
                self.why_off(name)
            };
        }
    }

    fn why_off(&self, name: &str) -> Option<String> {
        let consumer = match name {
            "events_statements_summary_by_digest" if self.no_digests => {
                return Some(
                    "performance_schema_digests_size is 0: set it to 10000 and restart the server".into(),
                );
            }
            "events_statements_summary_by_digest" | "events_statements_histogram_by_digest" => {
                "statements_digest"
            }
            "events_statements_current" => "events_statements_current",
            "events_waits_current" => "events_waits_current",
            "events_transactions_current" => "events_transactions_current",
            "metadata_locks" => return (!self.measures(METADATA_LOCKS)).then(|| measure(METADATA_LOCKS)),
            // Without it all its numbers are zero.
            "table_io_waits_summary_by_index_usage" => {
                return (!self.measures(TABLE_READS)).then(|| measure(TABLE_READS));
            }
            _ => return None,
        };
        (!self.has(consumer)).then(|| switch_on(consumer))
    }
}

const PERFORMANCE_SCHEMA_OFF: &str = "performance_schema is OFF; set performance_schema = ON in the server's \
     configuration and restart it (some 100 to 250 MB of memory with the default sizes)";
const METADATA_LOCKS: &str = "wait/lock/metadata/sql/mdl";
const TABLE_READS: &str = "wait/io/table/sql/handler";

fn measure(instrument: &str) -> String {
    format!(
        "the instrument {instrument} is off; UPDATE performance_schema.setup_instruments SET enabled = 'YES' \
         WHERE name = '{instrument}', and for the next start performance-schema-instrument = '{instrument}=ON'"
    )
}

fn switch_on(consumer: &str) -> String {
    format!(
        "the consumer {consumer} is off; UPDATE performance_schema.setup_consumers SET enabled = 'YES' \
         WHERE name = '{consumer}'"
    )
}

/// `name@host` as a grant wants it.
fn quoted_login(login: &str) -> String {
    let quoted = |part: &str| format!("'{}'", part.replace('\'', "''"));
    match login.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", quoted(user), quoted(host)),
        None => quoted(login),
    }
}

/// How what mends the lack of a right begins.
const GRANT: &str = "GRANT";

/// Is it a right, and no switch of the server?
pub fn is_right(lack: &Lack) -> bool {
    lack.mend.starts_with(GRANT)
}

pub fn lacks(
    variables: &Variables,
    switches: &Switches,
    reads_performance: bool,
    reads_innodb: bool,
    denied: &[&str],
    catalogue: &Catalogue,
) -> Vec<Lack> {
    let login = &switches.login;
    let mut lacks = Vec::new();
    let mut lack = |missing: bool, what: &str, disables: &str, mend: String| {
        if missing {
            lacks.push(Lack { what: what.into(), disables: disables.into(), mend });
        }
    };
    let mut right = |missing: bool, what: &str, disables: &str, on: &str| {
        lack(missing, what, disables, format!("{GRANT} {on} TO {login}"));
    };
    right(
        !reads_performance,
        "SELECT on performance_schema",
        "no statement can be measured, and what sessions run or wait for is hidden",
        "SELECT ON performance_schema.*",
    );
    right(
        !reads_innodb,
        "PROCESS",
        "InnoDB's transactions and locks are hidden, and so are other users' sessions without performance_schema",
        "PROCESS ON *.*",
    );
    let is_mariadb = variables.text("version").contains("MariaDB");
    for (file, of_mariadb, disables) in [
        (
            "replication_receiver",
            "SLAVE MONITOR",
            "whether it copies another server, and how far it has got, is not known",
        ),
        ("binary_logs", "BINLOG MONITOR", "how big the binary log is, is not known"),
    ] {
        let right_of = if is_mariadb { of_mariadb } else { "REPLICATION CLIENT" };
        right(denied.contains(&file), right_of, disables, &format!("{right_of} ON *.*"));
    }
    let stats = |table: &str| catalogue.get(table).is_some_and(|object| object.readable);
    for table in ["mysql.innodb_table_stats", "mysql.innodb_index_stats"] {
        right(
            !stats(table),
            &format!("SELECT on {table}"),
            "sizes and rows of tables and indexes are not known",
            &format!("SELECT ON {table}"),
        );
    }
    let off = !variables.is_on("performance_schema");
    lack(
        off,
        "performance_schema",
        "no statement can be measured; sessions, and samples of what they run, are read from the process list",
        "set performance_schema = ON in the server's configuration and restart it".into(),
    );
    for (consumer, disables) in [
        ("statements_digest", "no statement can be measured"),
        ("events_statements_current", "what sessions run is sampled from the process list"),
        ("events_waits_current", "what sessions wait for is known from their state alone"),
    ] {
        lack(reads_performance && !off && !switches.has(consumer), consumer, disables, switch_on(consumer));
    }
    for (instrument, what, disables) in [
        (
            METADATA_LOCKS,
            "the instrument of metadata locks",
            "who blocks whom by a metadata lock is not known",
        ),
        (
            TABLE_READS,
            "the instrument of tables",
            "how tables and indexes are used is not known, and no index is called unused",
        ),
    ] {
        lack(
            reads_performance && !off && !switches.measures(instrument),
            what,
            disables,
            measure(instrument),
        );
    }
    lacks
}
