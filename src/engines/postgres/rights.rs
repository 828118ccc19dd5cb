//! What our login may see: its tier, what that lacks, and what mends it.

use super::known::text;
use crate::engine::template::Catalogue;
use crate::engine::{Lack, ServerFacts};
use tokio_postgres::Row;

/// One row, ~1 ms: at most 1,000 tables are asked about.
pub const RIGHTS: &str = "select /* dbsonde beat */ current_setting('is_superuser') = 'on' as superuser
     , pg_has_role('pg_read_all_stats', 'member') as reads_stats
     , (select pg_has_role(r.oid, 'usage') from pg_roles r where r.rolname = 'pg_read_all_data') as reads_data
     , (select bool_and(t.readable)
          from (select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as readable
                  from pg_class c
                  join pg_namespace n on n.oid = c.relnamespace
                 where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
                 limit 1000) t) as reads_tables
     , (select count(*) = 2
          from pg_proc p
          join pg_namespace n on n.oid = p.pronamespace
         where n.nspname = 'dbsonde' and p.proname in ('explain', 'column_statistics')
           and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')) as is_advised
     , quote_ident(current_user) as login
     , quote_ident(current_database()) as database
     , (select setting from pg_settings where name = 'shared_preload_libraries') as preloaded";

/// A right that an operator may not have given, seen from what it disables.
struct Right {
    object: &'static str,
    disables: &'static str,
    grant: &'static str,
}

const GRANTABLE: &[Right] = &[
    Right {
        object: "pg_stat_file()",
        disables: "the size of pg_stat_statements' text file cannot be asked, so texts come from sessions only",
        grant: "GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean)",
    },
    Right {
        object: "pg_hba_file_rules()",
        disables: "who may connect, and how, cannot be judged",
        grant: "GRANT EXECUTE ON FUNCTION pg_hba_file_rules()",
    },
];

/// The tiers of `deploy/grants`, and what is below and above them.
pub fn tier(rights: &Row) -> &'static str {
    let is = |column: &str| rights.try_get::<_, Option<bool>>(column).ok().flatten();
    // Before 14 there is no role that reads everything; there the tables are asked one by one.
    let reads_all = is("reads_data").or(is("reads_tables")) == Some(true);
    match (is("superuser"), is("reads_stats")) {
        (Some(true), _) => "superuser",
        (_, Some(true)) if reads_all => "full",
        (_, Some(true)) if is("is_advised") == Some(true) => "advise",
        (_, Some(true)) => "stats",
        _ => "none",
    }
}

pub fn facts(server: &Row, rights: &Row, statements: Option<&Row>, catalogue: &Catalogue) -> ServerFacts {
    let tier = tier(rights);
    let login = text(rights, "login");
    let mut lacks = Vec::new();
    if tier == "none" {
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
            mend: absent_statements(&text(rights, "preloaded")),
        }),
        Some(row) if !row.try_get("usable").unwrap_or(false) => lacks.push(Lack {
            what: format!("USAGE on schema {}", text(row, "schema")),
            disables: "no statement can be measured".into(),
            mend: format!("GRANT USAGE ON SCHEMA \"{}\" TO {login}", text(row, "schema")),
        }),
        Some(_) => {}
    }
    for right in GRANTABLE.iter().filter(|right| catalogue.get(right.object).is_some_and(|o| !o.readable)) {
        lacks.push(Lack {
            what: format!("EXECUTE on {}", right.object),
            disables: right.disables.into(),
            mend: format!("{} TO {login}", right.grant),
        });
    }
    if matches!(tier, "none" | "stats") {
        lacks.push(Lack {
            what: "the functions of tier advise".into(),
            disables: NO_ADVICE.into(),
            mend: format!(
                "dbsonde grants --engine postgres --tier advise | psql -d {}",
                text(rights, "database")
            ),
        });
    }
    ServerFacts {
        engine: "postgres",
        version: text(server, "version"),
        role: if server.try_get("in_recovery").unwrap_or_default() { "standby" } else { "primary" },
        certificate_expires: None,
        since: server.try_get("started").unwrap_or_default(),
        tier,
        lacks,
    }
}

/// Said where pg_stats would answer with no rows, as if there were none.
pub const NO_ADVICE: &str = "what the planner knows of columns is not visible, nor are plans";

pub fn absent_statements(preloaded: &str) -> String {
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
