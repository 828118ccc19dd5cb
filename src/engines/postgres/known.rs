//! What probing found out about a server. Asked on every connect of the beat, and again when an answer of the
//! server shows that the world has changed; never guessed from a version number.

use super::collectors::{COLLECTORS, TOOLS};
use super::connect::Connection;
use super::logs::{self, Logs};
use super::rights::{NO_ADVICE, RIGHTS, absent_statements, facts};
use crate::engine::ServerFacts;
use crate::engine::collector::{Library, Repertoire};
use crate::engine::reading::Failure;
use crate::engine::template::Catalogue;
use tokio_postgres::Row;

/// One row, no locks beyond the catalogue's own, ~1 ms.
const SERVER: &str = "select /* dbsonde beat */ current_setting('server_version') as version
     , current_setting('block_size')::int8 as block_size
     , pg_is_in_recovery() as in_recovery
     , extract(epoch from pg_postmaster_start_time())::float8 as started
     , current_setting('jit', true) is not null as has_jit
     , pg_size_bytes(current_setting('track_activity_query_size')) as activity_size";

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
    pub logs: Logs,
}

impl Known {
    pub async fn probe(connection: &Connection, address: &str) -> Result<Known, Failure> {
        let client = &connection.client;
        let server = connection.limited(client.query_one(SERVER, &[])).await?;
        let rights = connection.limited(client.query_one(RIGHTS, &[])).await?;
        let statements = connection.limited(client.query_opt(STATEMENTS, &[])).await?;
        let schema: String = statements.as_ref().map_or("public".into(), |row| text(row, "schema"));
        let library = Library::new(COLLECTORS, TOOLS);
        let objects = library.objects();
        let schemas = vec!["pg_catalog", schema.as_str(), "dbsonde"];
        let found = connection.rows(CATALOGUE, &[&objects, &schemas]).await?;
        let catalogue = catalogue(&found);
        let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
        let mut repertoire = library.render(&catalogue, &[("{pgss}", &quoted)]);
        if statements.is_none() {
            let absent = absent_statements(&text(&rights, "preloaded"));
            for file in ["statements", "statements_info", "statement_texts", "texts_size"] {
                repertoire.refuse(file, absent.clone());
            }
        }
        let mut facts = facts(&server, &rights, statements.as_ref(), &catalogue);
        if matches!(facts.tier, "none" | "stats") {
            repertoire.refuse("column_statistics", NO_ADVICE.to_owned());
        }
        let logs = logs::ask(connection).await?;
        // What is followed without it needs no right.
        facts.lacks.extend(logs.lack.clone().filter(|_| logs.told.is_none()));
        Ok(Known {
            logs,
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

fn catalogue(rows: &[Row]) -> Catalogue {
    let mut catalogue = Catalogue::new();
    for row in rows {
        let object = catalogue.entry(text(row, "name")).or_default();
        object.columns.extend(row.try_get::<_, Vec<String>>("columns").unwrap_or_default());
        object.readable |= row.try_get::<_, bool>("readable").unwrap_or_default();
    }
    catalogue
}

pub fn text(row: &Row, column: &str) -> String {
    row.try_get::<_, Option<String>>(column).ok().flatten().unwrap_or_default()
}
