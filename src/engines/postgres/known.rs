//! What probing found out about a server. Asked on every connect of the beat, and again when an answer of the
//! server shows that the world has changed; never guessed from a version number.

use super::collectors::{COLLECTORS, TOOLS};
use super::connect::Connection;
use crate::engine::collector::{Library, Repertoire};
use crate::engine::reading::Failure;
use crate::engine::template::Catalogue;
use crate::engine::{Lack, Lane, ServerFacts};
use tokio_postgres::Row;

/// One row, no locks beyond the catalogue's own, ~1 ms. The view hides the libraries from a login without rights,
/// where current_setting() would be an error.
const SERVER: &str = "select /* dbsonde beat */ current_setting('server_version') as version
     , current_setting('block_size')::int8 as block_size
     , pg_is_in_recovery() as in_recovery
     , extract(epoch from pg_postmaster_start_time())::float8 as started
     , current_setting('is_superuser') = 'on' as superuser
     , pg_has_role('pg_read_all_stats', 'member') as reads_stats
     , current_setting('jit', true) is not null as has_jit
     , pg_size_bytes(current_setting('track_activity_query_size')) as activity_size
     , quote_ident(current_user) as login
     , (select setting from pg_settings where name = 'shared_preload_libraries') as preloaded";

/// One row, ~0.1 ms.
const STATEMENTS: &str = "select /* dbsonde beat */ n.nspname::text as schema
     , has_schema_privilege(n.oid, 'usage') as usable
  from pg_extension e
  join pg_namespace n on n.oid = e.extnamespace
 where e.extname = 'pg_stat_statements'";

/// Columns of the views and functions that our collectors name: ~2 ms, once per connect.
const CATALOGUE: &str = "select /* dbsonde beat */ c.relname::text as name
     , array_agg(a.attname::text) as columns
     , has_table_privilege(c.oid, 'select') as readable
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relname = any($1) and c.relnamespace in (select oid from pg_namespace where nspname = any($2))
 group by c.oid, c.relname
union all
select p.proname::text || '()'
     , coalesce(p.proargnames, '{}')
     , has_function_privilege(p.oid, 'execute') and has_schema_privilege(p.pronamespace, 'usage')
  from pg_proc p
 where p.proname::text || '()' = any($1)
   and p.pronamespace in (select oid from pg_namespace where nspname = any($2))";

/// A right that an operator may not have given, seen from what it disables.
struct Right {
    object: &'static str,
    disables: &'static str,
    grant: &'static str,
}

const RIGHTS: &[Right] = &[Right {
    object: "pg_stat_file()",
    disables: "the size of pg_stat_statements' text file cannot be asked, so texts come from sessions only",
    grant: "GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean)",
}];

#[derive(Debug)]
pub struct Known {
    pub facts: ServerFacts,
    /// Knows the setting `jit`; 10 does not.
    pub has_jit: bool,
    /// Texts of sessions that fill this have lost their end.
    pub activity_size: usize,
    pub block_size: f64,
    /// Where we reached it: two servers may share an identifier, a clone and its origin.
    pub address: String,
    pub repertoire: Repertoire,
}

impl Known {
    pub async fn probe(connection: &Connection, address: &str) -> Result<Known, Failure> {
        let client = &connection.client;
        let server = connection.limited(client.query_one(SERVER, &[])).await?;
        let statements = connection.limited(client.query_opt(STATEMENTS, &[])).await?;
        let schema: String = statements.as_ref().map_or("public".into(), |row| text(row, "schema"));
        let library = Library::new(COLLECTORS, TOOLS);
        let objects = library.objects();
        let schemas = vec!["pg_catalog", schema.as_str()];
        let found = connection.limited(client.query(CATALOGUE, &[&objects, &schemas])).await?;
        let catalogue = catalogue(&found);
        let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
        let tag = |lane: Lane| format!("/* dbsonde {} */", lane.name());
        let mut repertoire = library.render(&catalogue, &[("{pgss}", &quoted)], tag);
        if statements.is_none() {
            let absent = absent_statements(&text(&server, "preloaded"));
            for file in ["statements", "statements_info", "statement_texts", "texts_size"] {
                repertoire.refuse(file, absent.clone());
            }
        }
        let facts = facts(&server, statements.as_ref(), &catalogue);
        Ok(Known {
            activity_size: server
                .try_get::<_, i64>("activity_size")
                .ok()
                .and_then(|size| usize::try_from(size).ok())
                .unwrap_or(1024),
            has_jit: server.try_get("has_jit").unwrap_or_default(),
            block_size: server.try_get::<_, i64>("block_size").map_or(8192.0, |size| size as f64),
            address: address.to_owned(),
            facts,
            repertoire,
        })
    }
}

fn absent_statements(preloaded: &str) -> String {
    if preloaded.is_empty() {
        "pg_stat_statements is not created in this database: CREATE EXTENSION pg_stat_statements, and add it to \
         shared_preload_libraries if it is not there"
            .into()
    } else if preloaded.split(',').any(|library| library.trim() == "pg_stat_statements") {
        "pg_stat_statements is loaded but not created in this database: CREATE EXTENSION pg_stat_statements"
            .into()
    } else {
        "pg_stat_statements is not loaded: add it to shared_preload_libraries and restart the server".into()
    }
}

fn catalogue(rows: &[Row]) -> Catalogue {
    let mut catalogue = Catalogue::new();
    for row in rows {
        let object = catalogue.entry(text(row, "name")).or_default();
        object.columns.extend(row.try_get::<_, Vec<String>>("columns").unwrap_or_default());
        object.readable |= row.try_get::<_, bool>("readable").unwrap_or_default();
    }
    catalogue
}

fn facts(server: &Row, statements: Option<&Row>, catalogue: &Catalogue) -> ServerFacts {
    let is = |column: &str| server.try_get::<_, bool>(column).unwrap_or_default();
    let login = text(server, "login");
    let mut lacks = Vec::new();
    if !is("reads_stats") && !is("superuser") {
        lacks.push(Lack {
            what: "membership in pg_monitor".into(),
            disables: "statements, sessions and replication of other users are not visible".into(),
            mend: format!("GRANT pg_monitor TO {login}"),
        });
    }
    match statements {
        None => lacks.push(Lack {
            what: "pg_stat_statements".into(),
            disables: "no statement can be measured".into(),
            mend: absent_statements(&text(server, "preloaded")),
        }),
        Some(row) if !row.try_get("usable").unwrap_or(false) => lacks.push(Lack {
            what: format!("USAGE on schema {}", text(row, "schema")),
            disables: "no statement can be measured".into(),
            mend: format!("GRANT USAGE ON SCHEMA \"{}\" TO {login}", text(row, "schema")),
        }),
        Some(_) => {}
    }
    for right in RIGHTS.iter().filter(|right| catalogue.get(right.object).is_some_and(|o| !o.readable)) {
        lacks.push(Lack {
            what: format!("EXECUTE on {}", right.object),
            disables: right.disables.into(),
            mend: format!("{} TO {login}", right.grant),
        });
    }
    ServerFacts {
        engine: "postgres",
        version: text(server, "version"),
        role: if is("in_recovery") { "standby" } else { "primary" },
        certificate_expires: None,
        since: server.try_get("started").unwrap_or_default(),
        tier: match (is("superuser"), is("reads_stats")) {
            (true, _) => "superuser",
            (_, true) => "stats",
            _ => "none",
        },
        lacks,
    }
}

fn text(row: &Row, column: &str) -> String {
    row.try_get::<_, Option<String>>(column).ok().flatten().unwrap_or_default()
}
