//! What probing found out about a server: flavour, columns, rights, what is switched off. Asked on every connect
//! of the beat, and again when an answer of the server shows that the world has changed.

use super::answer::Named;
use super::collectors::{COLLECTORS, TOOLS};
use super::connect::Connection;
use super::events;
use super::lacks::{self, Switches};
use super::logs;
use crate::engine::collector::{Library, Repertoire, TAG};
use crate::engine::reading::{Failure, Identity};
use crate::engine::template::{Catalogue, Object, absent};
use crate::engine::{Lane, ServerFacts};
use crate::follow::Told;
use crate::model::Timestamp;
use std::collections::BTreeMap;

/// Every global variable by name: some 600 rows, ~2 ms, no lock that anybody else waits for.
const VARIABLES: &str = "show /* dbsonde beat */ global variables";

/// The columns of one system schema, ~3 ms. An equality, because in a list the older optimisers do not see which
/// schema is meant and open every table of the server.
fn columns_of(schema: &str, table: Option<&str>) -> String {
    let table = table.map(|table| format!(" and table_name = '{table}'")).unwrap_or_default();
    format!(
        "select /* dbsonde beat */ 0 as dbsonde_beat, lower(table_name) as relation, lower(column_name) as name \
         from information_schema.columns where table_schema = '{schema}'{table}"
    )
}

/// Asks for nothing that costs, but for the right that all of InnoDB's tables want.
const INNODB: &str = "select /* dbsonde beat */ count(*) as dbsonde_beat from information_schema.innodb_cmp";

/// What our reading of schemas and of the slow log needs of `mysql`.
const OF_MYSQL: [&str; 3] = ["innodb_table_stats", "innodb_index_stats", "slow_log"];

/// Where servers without a dictionary keep their events.
const EVENTS: &str = "event";

/// Files whose right no catalogue tells: to ask is to know.
const SHOWN: [&str; 2] = ["replication_receiver", "binary_logs"];

/// Global variables by lower-case name.
#[derive(Debug, Default)]
pub struct Variables(pub BTreeMap<String, String>);

impl Variables {
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name).parse().ok()
    }

    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.text(name), "ON" | "1" | "YES")
    }
}

#[derive(Debug)]
pub struct Known {
    pub facts: ServerFacts,
    pub repertoire: Repertoire,
    pub page_size: f64,
    /// It knows its tables without opening them: MySQL 8 and later.
    pub has_dictionary: bool,
    /// Who answers: what no two servers share, and where we reached it.
    pub server: String,
    pub is_mariadb: bool,
    switches: Switches,
    /// Why not all events may be shown to us.
    pub hides_events: Option<String>,
    /// The logs that lie on this machine.
    pub logs: Option<Told>,
}

impl Known {
    /// What a reader wants to know, with what only the last answer tells.
    pub fn facts_of(&self, identity: &Identity, certificate_expires: Option<f64>) -> ServerFacts {
        ServerFacts {
            role: if identity.server.starts_with("primary") { "primary" } else { "standby" },
            certificate_expires,
            since: identity.started.map(Timestamp::get).unwrap_or_default(),
            ..self.facts.clone()
        }
    }

    /// May something have come that was lacking? Of rights only probing tells.
    pub async fn may_have_gained(&self, connection: &mut Connection) -> Result<bool, Failure> {
        Ok(self.facts.lacks.iter().any(lacks::is_right)
            || self.switches.again(connection).await? != self.switches)
    }

    pub async fn probe(connection: &mut Connection, address: &str) -> Result<Known, Failure> {
        let variables = variables(connection).await?;
        let mut catalogue = catalogue(connection).await?;
        let library = Library::new(COLLECTORS, TOOLS);
        let switches = Switches::ask(connection, &catalogue, &variables).await?;
        let reads_innodb = match connection.run(&mut Vec::<Named>::new(), INNODB).await {
            Ok(()) => true,
            Err(Failure::Lost(error)) => return Err(Failure::Lost(error)),
            Err(Failure::Refused { .. }) => false,
        };
        let reads_performance =
            catalogue.contains_key("performance_schema.setup_consumers") && !switches.denied;
        for object in library.objects() {
            let is_hidden = match object.split_once('.') {
                Some(("performance_schema", _)) => !reads_performance,
                Some(("information_schema", name)) => name.starts_with("innodb_") && !reads_innodb,
                // What the installation always makes is there, so not to see it is not to be let in.
                Some(("mysql", name)) => OF_MYSQL.contains(&name),
                _ => false,
            };
            match catalogue.get_mut(object) {
                Some(known) => known.readable &= !is_hidden || object.starts_with("mysql."),
                None if is_hidden => {
                    catalogue.insert(object.to_owned(), Object::default());
                }
                None => {}
            }
        }
        switches.mark(&mut catalogue);
        let globals = variables.0.keys().cloned().collect();
        catalogue.insert("@@global".to_owned(), Object { columns: globals, readable: true, off: None });
        let status = status_table(connection, &mut catalogue).await?;
        if let Some(object) = catalogue.get(status).cloned() {
            catalogue.insert("{status}".to_owned(), object);
        }
        let mut repertoire = library.render(&catalogue, &[("{status}", status)]);
        if !variables.is_on("log_bin") {
            repertoire.refuse("binary_logs", absent("a binary log"));
        }
        let mut denied = Vec::new();
        for file in SHOWN {
            let Ok(sql) = repertoire.sql(file) else { continue };
            match connection.run(&mut Vec::<Named>::new(), &tagged(sql, Lane::Beat)).await {
                Ok(()) => {}
                Err(Failure::Lost(error)) => return Err(Failure::Lost(error)),
                Err(Failure::Refused { message, .. }) => {
                    repertoire.refuse(file, message);
                    denied.push(file);
                }
            }
        }
        let hides_events = events::hidden(connection, &repertoire, &variables).await?;
        let facts = ServerFacts {
            engine: "mysql",
            version: version(&variables),
            role: "primary",
            since: 0.0,
            certificate_expires: None,
            tier: match (reads_performance, reads_innodb) {
                (true, true) => "stats",
                (false, false) => "none",
                _ => "part",
            },
            lacks: lacks::lacks(&variables, &switches, reads_performance, reads_innodb, &denied, &catalogue),
        };
        Ok(Known {
            facts,
            repertoire,
            page_size: variables.number("innodb_page_size").unwrap_or(16_384.0),
            has_dictionary: variables.0.contains_key("information_schema_stats_expiry"),
            server: server(&variables, address),
            is_mariadb: variables.text("version").contains("MariaDB"),
            switches,
            hides_events,
            logs: logs::logs(&variables),
        })
    }
}

/// MariaDB has its status where it always was, MySQL where it moved to. There everybody may read it, though who has
/// no rights does not see it among the tables.
async fn status_table(
    connection: &mut Connection,
    catalogue: &mut Catalogue,
) -> Result<&'static str, Failure> {
    const MOVED: &str = "performance_schema.global_status";
    const LOOK: &str = "select /* dbsonde beat */ 0 as dbsonde_beat, variable_name, variable_value \
                        from performance_schema.global_status limit 0";
    let listed =
        ["information_schema.global_status", MOVED].into_iter().find(|name| catalogue.contains_key(*name));
    if let Some(listed) = listed {
        return Ok(listed);
    }
    match connection.run(&mut Vec::<Named>::new(), LOOK).await {
        Ok(()) => {
            let columns = ["variable_name", "variable_value"].map(str::to_owned).into();
            catalogue.insert(MOVED.to_owned(), Object { columns, readable: true, off: None });
            Ok(MOVED)
        }
        Err(Failure::Lost(error)) => Err(Failure::Lost(error)),
        Err(Failure::Refused { .. }) => Ok(""),
    }
}

/// SQL with the mark of a lane. Comments do not reach the text of a digest; the name of a column does, where
/// there can be one.
pub fn tagged(sql: &str, lane: Lane) -> String {
    let lane = lane.name();
    let tag = if sql.starts_with("show ") {
        format!("/* dbsonde {lane} */")
    } else {
        format!("/* dbsonde {lane} */ 0 as dbsonde_{lane},")
    };
    sql.replace(TAG, &tag)
}

/// The lane that sent a statement, if it was one of ours.
pub fn our_lane(text: &str) -> Option<Lane> {
    let (_, tagged) = text.split_once("dbsonde_").or_else(|| text.split_once("/* dbsonde "))?;
    Lane::ALL.into_iter().find(|lane| tagged.starts_with(lane.name()))
}

fn version(variables: &Variables) -> String {
    let version = variables.text("version");
    let comment = variables.text("version_comment").to_lowercase();
    match () {
        () if version.contains("MariaDB") => version.to_owned(),
        () if comment.contains("mariadb") => format!("{version}-MariaDB"),
        () if comment.contains("percona") => format!("{version} Percona"),
        () => format!("{version} MySQL"),
    }
}

/// MariaDB has an id of its own only in its later versions; before, what it was set up with must do.
fn server(variables: &Variables, address: &str) -> String {
    let own =
        ["server_uuid", "server_uid"].into_iter().map(|name| variables.text(name)).find(|id| !id.is_empty());
    match own {
        Some(id) => format!("{id} at {address}"),
        None => {
            let parts = ["server_id", "hostname", "port", "datadir"].map(|name| variables.text(name));
            format!("{} at {address}", parts.join(" "))
        }
    }
}

pub async fn variables(connection: &mut Connection) -> Result<Variables, Failure> {
    let mut rows: Vec<Named> = Vec::new();
    connection.run(&mut rows, VARIABLES).await?;
    let pair = |row: &Named| {
        Some((row.text("Variable_name")?.to_lowercase(), row.text("Value").unwrap_or_default().to_owned()))
    };
    Ok(Variables(rows.iter().filter_map(pair).collect()))
}

async fn catalogue(connection: &mut Connection) -> Result<Catalogue, Failure> {
    let mut catalogue = Catalogue::new();
    let whole = ["performance_schema", "information_schema"].map(|schema| (schema, None));
    let some = OF_MYSQL.into_iter().chain([EVENTS]).map(|table| ("mysql", Some(table)));
    for (schema, table) in whole.into_iter().chain(some) {
        let mut rows: Vec<Named> = Vec::new();
        connection.run(&mut rows, &columns_of(schema, table)).await?;
        for row in &rows {
            let (Some(relation), Some(column)) = (row.text("relation"), row.text("name")) else { continue };
            let object = catalogue.entry(format!("{schema}.{relation}")).or_default();
            object.readable = true;
            object.columns.insert(column.to_owned());
        }
    }
    Ok(catalogue)
}
