//! Canaries in every statement that can hold a secret and in every place where a password is given: none of them comes
//! out again, at the most talkative level, anywhere.

use super::PACES;
use crate::rig::Dir;
use crate::rig::daemon::{Daemon, dbsonde};
use crate::rig::postgres::{Server, any};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// In every secret; nothing else in the world has it.
const CANARY: &str = "Kn4ry";

/// So often is each statement run, each time with other secrets in it: some ten thousand in all.
const TIMES: usize = 330;

/// Literals of every form, utility statements, errors that quote data, comments, texts that are cut.
fn statements() -> Vec<String> {
    let many = [
        "select 'Kn4ry'",
        "select E'\\x4bn4ry Kn4ry\\n', U&'Kn4ry\\0061', $$Kn4ry$$, $q$it's Kn4ry$q$",
        "select 'it''s', 'Kn4ry', 7 -- Kn4ry",
        "select 1 /* Kn4ry /* nested Kn4ry */ */",
        "select b'1', x'4b', 'Kn4ry'::text || N'Kn4ry'",
        "select 'Kn4ry'::int",
        "select * from secrets where password = 'Kn4ry' and card in ('Kn4ry', 'Kn4ry2')",
        "insert into secrets values ('Kn4ry', 'Kn4ry'), ('Kn4ry', 'Kn4ry3')",
        "update secrets set card = 'Kn4ry' where password like '%Kn4ry%'",
        "create role canary login password 'Kn4ry'",
        "alter role canary password 'Kn4ry' valid until '2099-01-01'",
        "create user mapping if not exists for postgres server none options (password 'Kn4ry')",
        "set application_name = 'sonde test'",
        "set my.secret = 'Kn4ry'",
        "do $$ begin raise notice 'Kn4ry'; perform 'Kn4ry'; end $$",
        "do $$ begin raise exception 'Kn4ry'; end $$",
        "copy (select 'Kn4ry') to stdout",
        "create table kept as select 'Kn4ry' as secret",
        "explain select * from secrets where card = 'Kn4ry'",
        "prepare canary_plan as select * from secrets where card = 'Kn4ry'",
        "execute canary_plan",
        "declare canary_cursor cursor with hold for select 'Kn4ry'",
        "comment on table secrets is 'Kn4ry'",
        "create function canary() returns text language sql as $f$ select 'Kn4ry' $f$",
        "alter table secrets alter column card set default 'Kn4ry'",
        "notify canary, 'Kn4ry'",
        "security label on table secrets is 'Kn4ry'",
        "select 'unfinished Kn4ry",
        "this is no SQL: Kn4ry 'Kn4ry",
    ];
    let cut = format!("select '{}', 'x{}'", CANARY.repeat(300), "y".repeat(2_000));
    many.into_iter().map(str::to_owned).chain([cut]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_comes_out_anywhere() {
    let server = Server::start(any(), &[("pg_stat_statements.track", "all")]).await;
    server
        .sql(
            "postgres",
            "create extension pg_stat_statements; create table secrets (password text, card text)",
        )
        .await;
    server.sql("postgres", "create role sonde login password 'Kn4ry-login'; grant pg_monitor to sonde").await;
    let dir = Dir::new();
    let config = logins(&server, &dir);
    let daemon = Daemon::start_with(&config, &["--log.level", "trace"], &[("PGPASSWORD", "Kn4ry-env")]).await;
    let client = server.connect("postgres").await;
    for nth in 0..TIMES {
        for sql in statements() {
            // Half of them fail, and are meant to.
            let _ = client.simple_query(&sql.replace(CANARY, &format!("{CANARY}{nth}"))).await;
        }
    }
    let (holder, waiter) = (server.connect("postgres").await, server.connect("postgres").await);
    holder.batch_execute("begin; update secrets set card = 'Kn4ry' || 1").await.unwrap();
    let waits =
        tokio::spawn(async move { waiter.batch_execute("update secrets set card = 'Kn4ry' || 2").await });
    let seen = |text: &str| text.contains("\"fingerprint\":\"select * from secrets");
    daemon.wait_for("/api/v1/statements", |answer| seen(&answer.text()), Duration::from_secs(60)).await;
    let recording = dir.join("recording");
    let url = server.url("postgres");
    let done = dbsonde(&["record", &url, recording.to_str().unwrap(), "--for", "12s"], &[]).await;
    assert_eq!(done.code, 0, "{}", done.stderr);
    holder.batch_execute("rollback").await.unwrap();
    waits.abort();

    for path in ["/metrics", "/", "/api/v1/targets", "/api/v1/findings", "/api/v1/gaps", "/api/v1/statements"]
    {
        nothing_in(path, &daemon.get(path).await.text());
    }
    nothing_in("the log", &daemon.log());
    nothing_in("the command's output", &format!("{}{}", done.stdout, done.stderr));
    nothing_in_files(&recording);
    let state = daemon.state_dir();
    // Written on the way out at the latest.
    let kept = Dir::new();
    daemon.signal("TERM");
    tokio::time::sleep(Duration::from_secs(3)).await;
    nothing_in("the log of the end", &daemon.log());
    nothing_in_files(&state);
    drop((daemon, kept));
}

/// The same of the other dialect.
fn statements_of_mysql() -> [&'static str; 36] {
    [
        "select 'Kn4ry', \"Kn4ry\", N'Kn4ry', _utf8mb4'Kn4ry', 'it''s Kn4ry', 'it\\'s Kn4ry', 'Kn4ry' 'Kn4ry'",
        "select 'Kn4ry' as a, date '2026-01-01', timestamp '2026-01-01 00:00:00', x'4b', 0x4b, b'1', -1.5e3",
        "select 1 -- Kn4ry",
        "select 2 # Kn4ry",
        "select 3 /* Kn4ry */ /*! + 4 */ /*!99999 + 'Kn4ry' */",
        "select /*+ set_var(sort_buffer_size = 262144) */ 'Kn4ry'",
        "select cast('Kn4ry' as signed), convert('Kn4ry' using latin1)",
        "select * from secrets where password = 'Kn4ry' and card in ('Kn4ry', 'Kn4ry2')",
        "select * from secrets where password like '%Kn4ry%' escape '|' or card regexp 'Kn4ry.*'",
        "select * from secrets having concat(card, 'Kn4ry') = 'Kn4ry' limit 5",
        "select json_extract('{\"a\": \"Kn4ry\"}', '$.Kn4ry')",
        "insert into secrets values ('Kn4ry', 'Kn4ry'), ('Kn4ry', 'Kn4ry3')",
        "insert into once values ('Kn4ry')",
        "insert into once values ('Kn4ry') on duplicate key update card = 'Kn4ry'",
        "update secrets set card = 'Kn4ry' where password = 'Kn4ry'",
        "delete from secrets where password = 'Kn4ry'",
        "create user canary identified by 'Kn4ry'",
        "alter user canary identified by 'Kn4ry'",
        "set password for canary = 'Kn4ry'",
        "set @secret = 'Kn4ry'",
        "set @@session.init_connect = 'Kn4ry'",
        "do 'Kn4ry'",
        "create table kept as select 'Kn4ry' as secret",
        "create table noted (a int default 7 comment 'Kn4ry') comment 'Kn4ry'",
        "explain select * from secrets where card = 'Kn4ry'",
        "prepare canary_plan from 'select * from secrets where card = \"Kn4ry\"'",
        "execute canary_plan",
        "load data infile '/nowhere/Kn4ry' into table secrets",
        "select 'Kn4ry' into outfile '/nowhere/Kn4ry'",
        "change replication source to source_host = '127.0.0.1', source_user = 'Kn4ry', source_password = 'Kn4ry'",
        "create server far foreign data wrapper mysql options (user 'Kn4ry', password 'Kn4ry', host 'Kn4ry')",
        "signal sqlstate '45000' set message_text = 'Kn4ry'",
        "kill 'Kn4ry'",
        "call nothing('Kn4ry')",
        "select 'unfinished Kn4ry",
        "this is no SQL: Kn4ry 'Kn4ry",
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_mysql_comes_out_anywhere() {
    use crate::rig::mysql::{Server, Version, run};
    let server = Server::start(Version::MySql97, &[]).await;
    server
        .sql(
            "test",
            "create table secrets (password text, card text); create table once (card varchar(99) primary key);
             create user sonde identified by 'Kn4ry-login'; grant process, replication client on *.* to sonde;
             grant select on performance_schema.* to sonde",
        )
        .await;
    let dir = Dir::new();
    let file = dir.join("my.cnf");
    std::fs::write(&file, "[client]\nuser=sonde\npassword=\"Kn4ry-login\"\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let place = format!("127.0.0.1:{}/", server.port);
    let targets = [
        format!("name = \"url\"\nurl = \"mysql://sonde:Kn4ry-login@{place}\""),
        format!("name = \"file\"\nurl = \"mysql://{place}?defaults_file={}\"", file.display()),
        format!(
            "name = \"command\"\nurl = \"mysql://sonde@{place}\"\npassword_command = [\"echo\", \"Kn4ry-login\"]"
        ),
        format!("name = \"wrong\"\nurl = \"mysql://sonde:Kn4ry-wrong@{place}\""),
    ];
    let config =
        targets.iter().fold(PACES.to_owned(), |text, target| format!("{text}[[target]]\n{target}\n"));
    let daemon = Daemon::start_with(&config, &["--log.level", "trace"], &[]).await;
    let mut client = server.connect("test").await;
    for nth in 0..10 {
        for sql in statements_of_mysql() {
            let _ = run(&mut client, &sql.replace(CANARY, &format!("{CANARY}{nth}"))).await;
        }
    }
    let seen = |text: &str| text.to_lowercase().contains("select * from secrets");
    daemon.wait_for("/api/v1/statements", |answer| seen(&answer.text()), Duration::from_secs(90)).await;
    for path in ["/metrics", "/", "/api/v1/targets", "/api/v1/findings", "/api/v1/gaps", "/api/v1/statements"]
    {
        nothing_in(path, &daemon.get(path).await.text());
    }
    let state = daemon.state_dir();
    daemon.signal("TERM");
    tokio::time::sleep(Duration::from_secs(3)).await;
    nothing_in("the log", &daemon.log());
    nothing_in_files(&state);
}

/// Passwords are in our memory; a crash does not put it on a disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_no_core() {
    use std::os::unix::process::ExitStatusExt;
    let config =
        format!("{PACES}[[target]]\nname = \"db\"\nurl = \"postgres://u:Kn4ry@127.0.0.1:1/postgres\"\n");
    let daemon = Daemon::start_with_cores(&config).await;
    let status = daemon.end("ABRT").await;
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
}

/// Every way to give a password, right and wrong.
fn logins(server: &Server, dir: &Dir) -> String {
    let file = dir.join("password");
    std::fs::write(&file, "Kn4ry-login\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let port = server.port;
    let place = format!("127.0.0.1:{port}/postgres");
    let targets = [
        format!("name = \"url\"\nurl = \"postgres://sonde:Kn4ry-login@{place}\""),
        format!(
            "name = \"words\"\nurl = \"host=127.0.0.1 port={port} user=sonde dbname=postgres password='Kn4ry-login'\""
        ),
        format!("name = \"query\"\nurl = \"postgres://sonde@{place}?password=Kn4ry-login\""),
        format!(
            "name = \"file\"\nurl = \"postgres://sonde@{place}\"\npassword_file = {:?}",
            file.display().to_string()
        ),
        format!(
            "name = \"command\"\nurl = \"postgres://sonde@{place}\"\npassword_command = [\"echo\", \"Kn4ry-login\"]"
        ),
        format!("name = \"wrong\"\nurl = \"postgres://sonde:Kn4ry-wrong@{place}\""),
        format!("name = \"environment\"\nurl = \"postgres://sonde@{place}\""),
        "name = \"nowhere\"\nurl = \"postgres://sonde:Kn4ry-nowhere@127.0.0.1:1/postgres\"".to_owned(),
        format!("name = \"all\"\nurl = \"postgres://postgres:Kn4ry-unused@{place}\""),
    ];
    let hook = "[[sink]]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:1/Kn4ry-hook\"\n";
    targets.iter().fold(format!("{PACES}{hook}"), |text, target| format!("{text}[[target]]\n{target}\n"))
}

fn nothing_in(place: &str, text: &str) {
    if let Some(at) = text.find(CANARY) {
        let from = text.floor_char_boundary(at.saturating_sub(300));
        let to = text.ceil_char_boundary((at + 100).min(text.len()));
        panic!("a secret is in {place}: …{}…", &text[from..to]);
    }
}

/// Packed files are looked into as well.
fn nothing_in_files(dir: &Path) {
    let mut looked_at = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut unpacked = Vec::new();
        let _ = flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked);
        for bytes in [&bytes, &unpacked] {
            nothing_in(&path.display().to_string(), &String::from_utf8_lossy(bytes));
        }
        looked_at += 1;
    }
    assert!(looked_at > 0, "there is nothing in {}", dir.display());
}
