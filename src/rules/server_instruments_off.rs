use crate::engine::Lack;
use crate::model::{Confidence, Finding, Fix, Flavour, Name, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Server that does not measure itself
///
/// performance_schema is off, or the part of it that tells statements apart, so that nobody can say which statement
/// costs what.
///
/// ## Why it hurts
///
/// When the server is slow there is only the process list to look at: what runs at this very moment. What ran often,
/// what waited for what, and what began to be slow last Tuesday was never counted and cannot be found out afterwards.
///
/// ## What to do
///
/// Switch it on. performance_schema itself wants a restart and takes its memory at once; its consumers are switched
/// while the server runs and take none.
///
/// ## When this page is wrong
///
/// On a machine whose memory is too small for it. Then skip this page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerInstrumentsOff {
    /// Consumers that have to be on. Calibrated by us: without these two dbsonde is blind to statements; the others
    /// are a matter of taste.
    consumers: Vec<String>,
}

impl Default for ServerInstrumentsOff {
    fn default() -> Self {
        Self { consumers: ["statements_digest", "events_statements_current"].map(str::to_owned).into() }
    }
}

/// What performance_schema takes with its default sizes, by SHOW ENGINE PERFORMANCE_SCHEMA STATUS of MySQL 9.7 and
/// MariaDB 11.8.
const MYSQL_BYTES: f64 = 215_434_352.0;
const MARIADB_BYTES: f64 = 98_192_328.0;

const WHOLE: &str = "performance_schema";

impl Rule for ServerInstrumentsOff {
    const ID: &'static str = "server-instruments-off";
    const NEEDS: &'static [Topic] = &[Topic::Sessions];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let is_switch = move |lack: &&Lack| lack.what == WHOLE || self.consumers.contains(&lack.what);

        seen.lacks.iter().filter(is_switch).map(|lack| finding(lack, seen.flavour).into())
    }
}

fn finding(lack: &Lack, flavour: Flavour) -> Finding {
    let price = match (lack.what == WHOLE, flavour) {
        (false, _) => 0.0,
        (true, Flavour::Mariadb) => MARIADB_BYTES,
        (true, _) => MYSQL_BYTES,
    };
    Finding {
        rule: Name::new(ServerInstrumentsOff::ID),
        severity: Severity::Warning,
        database: None,
        subject: lack.what.clone(),
        because: match price {
            0.0 => format!("{} is off: {}; switched on it takes no more memory", lack.what, lack.disables),
            _ => format!("{} is off: {}; switched on it takes {} of memory", lack.what, lack.disables, script::bytes(price)),
        },
        evidence: evidence([("price_bytes", json!(price))]),
        advice: lack.mend.clone(),
        fix: fix(&lack.what, flavour),
        confidence: Confidence::Measured,
    }
}

/// None where only the configuration of the server can do it.
fn fix(what: &str, flavour: Flavour) -> Option<Fix> {
    let consumer =
        |on| format!("UPDATE performance_schema.setup_consumers SET enabled = '{on}' WHERE name = '{what}';");
    let (sql, rollback, caution) = match (what == WHOLE, flavour) {
        (false, _) => (
            consumer("YES"),
            consumer("NO"),
            "The next start forgets it: set it in the configuration as well.",
        ),
        (true, Flavour::Mysql) => (
            "SET PERSIST_ONLY performance_schema = ON;".to_owned(),
            "RESET PERSIST performance_schema;".to_owned(),
            "It takes effect with the next start.",
        ),
        (true, _) => return None,
    };
    Some(Fix {
        sql: vec![sql],
        rollback: vec![rollback],
        lock: String::new(),
        blocks: "nobody".into(),
        transactional: false,
        caution: caution.into(),
    })
}
