//! Whoever gets hold of the login of tier advise gets plans, and nothing else: no write, no wait, no value.

use super::grant;
use crate::rig::postgres::{Server, versions};

/// What an application may have, and what a user of it may have prepared for us.
const GROUND: &str = r#"
create schema app; grant usage on schema app to public; set search_path = app;
create table users (id int primary key, secret text, status text);
insert into users select g, 'hunter' || g, case when g % 2 = 0 then 'a' else 'b' end from generate_series(1, 1000) g;
create table log (n int);
create function writes(int) returns int immutable language plpgsql as $$ begin insert into app.log values ($1); return $1; end $$;
create function sleeps(int) returns int stable language plpgsql as $$ begin perform pg_sleep(60); return $1; end $$;
create function tells(int) returns int immutable language plpgsql as $$
  begin raise exception '%', (select secret from app.users limit 1) using errcode = 'HUNT1'; end $$;
create function "od d"(int) returns int immutable language plpgsql as $$ begin return app.writes($1); end $$;
create function inlined(int) returns int language sql as $$ select app.writes(1) $$;
create function same(int, int) returns bool immutable language plpgsql as $$ begin return app.writes($1) = $2; end $$;
create operator =# (leftarg = int, rightarg = int, procedure = same);
create view trap as select writes(1) as x, id from users;
create view deeper as select * from trap;
create table policed (id int); alter table policed enable row level security;
create policy p on policed using (writes(1) = id);
create function fast(int) returns int immutable language plpgsql as $$ begin return $1; end $$;
create table indexed (id int); create index on indexed ((fast(id)));
create table checked (id int check (fast(id) > 0));
create table parent (id int); create table child (check (fast(id) > 0)) inherits (parent);
analyze users"#;

/// Prepared by the holder of the login himself.
const OWN: &str = r#"create function pg_temp.leak(int) returns int immutable language plpgsql as $$ begin return $1; end $$;
create temp table mine (id int);
prepare ready as select 1"#;

/// The query, and the SQLSTATE that refuses it; none for a plan.
const TRIES: &[(&str, &str)] = &[
    ("select * from users where id = 5", ""),
    (
        "select u.id, count(*) from users u join log l on l.n = u.id where u.status = 'a' group by u.id order by 2 limit 3",
        "",
    ),
    ("with x as (select count(*) from users) select * from x", ""),
    ("  (values (1), (2))", ""),
    ("table users", ""),
    // What a plan does not run does no harm.
    ("select pg_sleep(60)", ""),
    // More than one statement, options, other statements.
    ("select 1; drop table app.users", "42601"),
    ("select 1; insert into app.log values (1)", "42601"),
    ("analyze select 1", "42601"),
    ("(analyze) select 1", "42601"),
    ("insert into log values (1)", "42601"),
    ("update users set id = 1", "42601"),
    ("delete from users", "42601"),
    ("create table foo as select 1", "42601"),
    ("execute ready", "42601"),
    ("explain analyze select 1", "42601"),
    ("with x as (delete from users returning 1) select * from x", "42501"),
    ("select * from users for update", "42501"),
    ("", "42601"),
    // Comments, quotes and escapes in which a name hides.
    ("select 1 /* x */", "42601"),
    ("select 1 -- x", "42601"),
    ("select U&\"wri\\0074es\"(1)", "42601"),
    ("select u&\"writes\"(1)", "42601"),
    ("select E'\\x41'", "42601"),
    ("select $$a$$", "42601"),
    ("select \"wri\"\"tes\"(1)", "42601"),
    // Functions that run while planning.
    ("select app.writes(1)", "42501"),
    ("select WRITES(1)", "42501"),
    ("select \"writes\" (1)", "42501"),
    ("select * from users where id = sleeps(1)", "42501"),
    ("select tells(1)", "42501"),
    ("select \"od d\"(1)", "42501"),
    ("select inlined(1)", "42501"),
    ("select (row(1)).writes", "42501"),
    ("select pg_temp.leak(1)", "42501"),
    ("select table_to_xml('app.users', true, true, '')", "42601"),
    // Operators, views, policies, indexes, constraints, children, tables of one's own.
    ("select * from users where id operator(app.=#) 1", "42501"),
    ("select 1 =# 2", "42501"),
    ("select * from trap", "42501"),
    ("select * from deeper", "42501"),
    ("select * from policed", "42501"),
    ("select * from indexed", "42501"),
    ("select * from checked", "42501"),
    ("select * from parent", "42501"),
    ("select * from mine", "42501"),
    // Errors that would quote a value.
    ("select 1 / 0", "22012"),
    ("select 'hunter2'::int", "22P02"),
    ("select hunter2", "42703"),
];

/// Needs no name: where there is one, nothing is planned any more.
const NAMELESS: [&str; 2] = [
    "create type app.kind as enum ('a'); create function app.cast_it(app.kind) returns int immutable language plpgsql as
       $$ begin return app.writes(1); end $$; create cast (app.kind as int) with function app.cast_it(app.kind)",
    "drop cast (app.kind as int); create domain app.small as int check (app.fast(value) < 9)",
];

async fn refused(login: &tokio_postgres::Client, query: &str) -> String {
    let path = ["app", "public"].map(str::to_owned).to_vec();
    let row =
        login.query_one("select plan::text, refused from dbsonde.explain($1, $2)", &[&query, &path]).await;
    let row = row.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let (plan, refused): (Option<String>, Option<String>) = (row.get(0), row.get(1));
    assert!(plan.is_some() != refused.is_some(), "{query}");
    assert!(!plan.unwrap_or_default().contains("hunter"), "{query}");
    refused.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_makes_the_function_do_more_than_plan() {
    for version in versions() {
        let server = Server::start(version, &[]).await;
        server.sql("postgres", GROUND).await;
        grant(&server, "advise").await;
        let login = server.connect_url(&server.url_as("dbsonde", "sesame", "postgres")).await.unwrap();
        login.batch_execute("set default_transaction_read_only = off").await.unwrap();
        login.batch_execute(OWN).await.unwrap();
        for (query, expected) in TRIES {
            assert_eq!(refused(&login, query).await, *expected, "{version}: {query}");
        }
        let generic = if version >= 12 { "" } else { "0A000" };
        for nth in ["first", "again"] {
            let query = "select * from users where id = $1 and status = $2";
            assert_eq!(refused(&login, query).await, generic, "{version}: {nth}");
        }
        // Something of one's own under the name that the function uses is not planned.
        login.batch_execute("prepare dbsonde_plan as select app.writes($1)").await.unwrap();
        let taken = refused(&login, "select * from users where id = $1").await;
        let expected = match version {
            16.. => "",
            12..16 => "42P05",
            _ => "0A000",
        };
        assert_eq!(taken, expected, "{version}");
        let _ = login.batch_execute("deallocate dbsonde_plan").await;
        let missing = refused(&login, "select * from users where id = $1 or missing = $2").await;
        assert!(!missing.is_empty(), "{version}");
        assert_eq!(
            refused(&login, "select * from users where id = $1").await,
            generic,
            "{version}: after an error"
        );
        let long = format!("select '{}'", "x".repeat(70_000));
        assert_eq!(refused(&login, &long).await, "54000", "{version}");
        for trap in NAMELESS {
            server.sql("postgres", trap).await;
            assert_eq!(refused(&login, "select * from users").await, "42501", "{version}: {trap}");
        }
        // The caller's own search path and settings change nothing.
        server.sql("postgres", "drop domain app.small").await;
        login.batch_execute("set search_path = app").await.unwrap();
        // From 19 on it cannot be turned off.
        let _ = login.batch_execute("set standard_conforming_strings = off").await;
        assert_eq!(refused(&login, "select writes(1)").await, "42501", "{version}");
        assert_eq!(refused(&login, "select '\\' || writes(1) || '\\'").await, "42601", "{version}");
        for (own, code) in
            [("select dbsonde.refusal('select 1')", "42501"), ("set role dbsonde_owner", "42501")]
        {
            let error = login.batch_execute(own).await.unwrap_err();
            assert_eq!(error.code().map(|code| code.code()), Some(code), "{version}: {own}");
        }
        let left = server
            .sql("postgres", "select (select count(*) from app.log), (select count(*) from app.users)")
            .await;
        assert_eq!(
            left[0],
            [Some("0".to_owned()), Some("1000".to_owned())],
            "{version}: something was written"
        );
        assert!(!server.log().contains("hunter1"), "{version}: nothing of it in the server's log");
    }
}
