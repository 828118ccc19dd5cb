//! The same for MySQL and MariaDB.

mod groups;
mod latencies;
mod letters;

use super::{engine, rows, topics, unexpected_gaps, visits};
use crate::rig::mysql::{Server, Version, flavours, run, versions};
use dbsonde::engine::{Due, Engine, Lane, Visit};
use dbsonde::model::{
    Activity, BinaryLog, Column, Constraint, Count, Function, InTopic, Index, Innodb, Io, Level, Load,
    Memory, Partitioning, Plugin, ReplicationReceiver, ReplicationSender, ReplicationWorker, Role,
    ScheduledEvent, Sequence, ServerError, Session, Setting, Statement, StatementsInfo, Table, Topic,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the documentation tells operators to grant.
const GRANTS: &str = "
    grant select on performance_schema.* to sonde;
    grant process on *.* to sonde;
    grant select on mysql.innodb_table_stats to sonde;
    grant select on mysql.innodb_index_stats to sonde;
    grant {replication} on *.* to sonde";

/// What lies in a schema beside tables of InnoDB.
const STORED: [&str; 5] = [
    "create table notes (id int auto_increment primary key, note varchar(20)) engine=myisam",
    "create trigger tidy before insert on notes for each row set new.note = lower(new.note)",
    "create event nightly on schedule every 1 day disable on slave do delete from notes",
    "create view all_notes as select note from notes",
    "insert into notes (note) values ('A'), ('B')",
];

fn grants(version: Version) -> String {
    let replication =
        if version.is_mariadb() { "slave monitor, binlog monitor" } else { "replication client" };
    let events = "; grant select (db, name, status, interval_value, last_executed) on mysql.event to sonde";
    let events = if version.is_mariadb() { events } else { "" };
    GRANTS.replace("{replication}", replication) + events
}

/// 5.6 is older than what we support: it must do no harm and say what it lacks.
fn supported() -> Vec<Version> {
    versions().into_iter().filter(|version| *version != Version::MySql56).collect()
}

async fn prepared(version: Version) -> Server {
    let server = Server::start(version, &[]).await;
    let setup = "drop database test;
        create database shop;
        create table shop.orders (id int primary key auto_increment, note varchar(20), key note (note)) engine=innodb;
        create table shop.lines (order_id int, nth int, primary key (order_id, nth),
            constraint of_order foreign key (order_id) references shop.orders (id) on delete cascade) engine=innodb;
        create table shop.parts (id int primary key) engine=innodb partition by hash (id) partitions 3;
        insert into shop.orders (note) values ('a'), ('b'), ('17');
        create user sonde identified by 'sesame'";
    for statement in setup.split(';').chain(grants(version).split(';')) {
        server.sql("", statement).await;
    }
    server.sql("shop", "analyze table orders").await;
    // Without a dictionary only what is open is asked about.
    server.sql("shop", "select count(*) from `lines`").await;
    server.sql("shop", "select count(*) from parts").await;
    server.sql("shop", "select count(*) from orders where note = '17'").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_read_whole() {
    for version in supported() {
        let server = prepared(version).await;
        for statement in STORED {
            server.sql("shop", statement).await;
        }
        for url in [server.url(""), server.url_as("sonde", "sesame", "")] {
            let engine = engine(&url);
            visits(&engine).await;
            let seen = visits(&engine).await;
            // Who may not read a table does not see what its indexes are made of.
            let hidden = url.contains("sonde").then_some(Topic::Indexes);
            // MariaDB tells no digests of what runs, until somebody switches that on.
            let sampled = version.is_mariadb().then_some(Topic::Load);
            // How long statements take is told from the second look of one lane on.
            // What it may not see of a table it does not tell apart from a table that is not open.
            let unopened = [Topic::Columns, Topic::Sequences];
            let unopened = unopened.into_iter().filter(|_| version.is_mariadb() && hidden.is_some());
            // Nor is it shown what another engine keeps, nor, where the server has no table of them, events.
            // A view that nobody has opened is not told apart from a table there.
            let other = [Topic::Tables].into_iter().filter(|_| hidden.is_some() || version.is_mariadb());
            let events = Some(Topic::ScheduledEvents).filter(|_| !version.is_mariadb() && hidden.is_some());
            let known: Vec<Topic> = [Topic::Latencies]
                .into_iter()
                .chain(hidden)
                .chain(sampled)
                .chain(unopened)
                .chain(other)
                .chain(events)
                .collect();
            assert_eq!(unexpected_gaps(&seen, &known), Vec::<String>::new(), "{version}");
            tables_and_indexes(&seen, version, hidden.is_none());
            stored(&seen, version, hidden.is_none());
            schema(&seen, version, hidden.is_none());
            let facts = seen[0].server.clone().unwrap();
            assert_eq!((facts.engine, facts.role, facts.tier), ("mysql", "primary", "stats"), "{version}");
            assert!(facts.since > 1e9, "{version}: {}", facts.since);
            let topics = topics(&seen);
            for topic in
                [Topic::Sessions, Topic::Statements, Topic::StatementsInfo, Topic::Activity, Topic::Innodb]
            {
                assert!(topics.contains(&topic), "{version} has no {topic}");
            }

            let found = rows(&seen, Topic::Statements);
            let statements = Statement::of(&found);
            assert!(statements.iter().all(|row| row.calls.0.get() > 0), "{version}");
            let texts = seen[0].texts.clone().unwrap();
            let wanted = "select count(*) from orders where note = ?";
            let counted =
                statements.iter().find(|row| row.digest.and_then(|d| texts.fingerprint(d)) == Some(wanted));
            let counted = counted.unwrap_or_else(|| panic!("{version} does not know {wanted}"));
            assert_eq!((counted.calls.0.get(), counted.database.as_deref()), (1, Some("shop")), "{version}");
            assert!(counted.stats_since.is_some_and(|since| since.get() >= facts.since - 1.0), "{version}");
            let own = texts
                .shown()
                .find(|(_, text)| text.contains("dbsonde") || text.contains("performance_schema"));
            assert_eq!(own, None, "{version}: our own statements are not shown");

            let activity = rows(&seen, Topic::Activity);
            let activity: &Activity = &Activity::of(&activity)[0];
            let counted = activity.questions.map(|questions| questions.0.get());
            assert!(counted > Some(5) && activity.selects.is_some(), "{version}: {activity:?}");
            let innodb = rows(&seen, Topic::Innodb);
            let innodb: &Innodb = &Innodb::of(&innodb)[0];
            assert!(innodb.pool_bytes.unwrap().last.get() > 1 << 20, "{version}");
            assert!(innodb.history_length.is_some() && innodb.deadlocks.is_some(), "{version}");
            assert!(innodb.log_position_bytes.is_some(), "{version}");
            assert!(
                innodb.log_capacity_bytes.is_some() && innodb.checkpoint_age_bytes.is_some(),
                "{version}"
            );
            let log = rows(&seen, Topic::BinaryLogs);
            assert!(BinaryLog::of(&log)[0].files.last.get() > 0, "{version}");
            let files = rows(&seen, Topic::Io);
            let written = Io::of(&files).iter().find(|row| &*row.object == "innodb/innodb_data_file");
            assert!(written.is_some_and(|row| row.read_bytes.unwrap().0.get() > 0), "{version}: {files:?}");
            let memory = rows(&seen, Topic::Memory);
            assert!(Memory::of(&memory).iter().any(|row| row.bytes.last.get() > 1 << 16), "{version}");
            for topic in [Topic::ReplicationReceiver, Topic::ReplicationSenders] {
                assert_eq!(rows(&seen, topic).len(), 0, "{version}: it copies nobody, and nobody copies it");
            }
            // MariaDB counts no errors, and has no groups; its cluster is off.
            let has = |topic| topics.contains(&topic);
            assert_eq!(has(Topic::Errors), !version.is_mariadb(), "{version}");
            assert_eq!(has(Topic::GroupMembers), !version.is_mariadb(), "{version}");
            assert_eq!(has(Topic::Galera), version.is_mariadb(), "{version}");
            if version.is_mariadb() {
                assert_eq!(rows(&seen, Topic::Galera).len(), 0, "{version}: it is off");
            }
            let info = rows(&seen, Topic::StatementsInfo);
            assert!(StatementsInfo::of(&info)[0].lost.is_some(), "{version}");
            let sessions = rows(&seen, Topic::Sessions);
            let busy = Session::of(&sessions).iter().find(|row| row.state.as_deref() == Some("active"));
            assert_eq!(busy, None, "{version}: our own do not count");
        }
    }
}

fn tables_and_indexes(seen: &[Visit], version: Version, is_described: bool) {
    let found = rows(seen, Topic::Tables);
    let tables: Vec<&str> = Table::of(&found).iter().map(|table| &*table.table).collect();
    assert_eq!(tables.len(), 3 + usize::from(is_described), "{version}: partitions are added up: {tables:?}");
    let orders = Table::of(&found).iter().find(|table| &*table.table == "orders").unwrap();
    assert_eq!(
        (&*orders.schema, &*orders.table, orders.database.as_deref()),
        ("shop", "orders", Some("shop"))
    );
    assert_eq!(orders.rows.map(|rows| rows.last.get()), Some(3), "{version}");
    assert_eq!(orders.size_bytes.map(|size| size.last.get()), Some(16_384), "{version}");
    assert_eq!(orders.inserted_rows.map(|rows| rows.0.get()), Some(3), "{version}");
    assert!(orders.last_autoanalyze.is_some(), "{version}");
    let found = rows(seen, Topic::Indexes);
    let of_orders: Vec<&Index> = Index::of(&found).iter().filter(|index| &*index.table == "orders").collect();
    let [key, note] = of_orders[..] else { panic!("{version}: {found:?}") };
    let (key, note) = if key.is_primary { (key, note) } else { (note, key) };
    assert_eq!((&*key.index, &*note.index, key.is_unique), ("PRIMARY", "note", true), "{version}");
    assert_eq!(note.size_bytes.map(|size| size.last.get()), Some(16_384), "{version}");
    assert!(note.read_entries.is_some(), "{version}");
    assert_eq!(note.column_list.as_deref(), is_described.then_some("note"), "{version}");
    assert_eq!((note.is_comparable(), note.is_unique), (is_described, !is_described), "{version}");
}

/// What is kept by another engine than InnoDB, what runs in the server, and what it is to do by the clock.
fn stored(seen: &[Visit], version: Version, sees_tables: bool) {
    let found = rows(seen, Topic::Tables);
    let notes = Table::of(&found).iter().find(|table| &*table.table == "notes");
    assert_eq!(notes.is_some(), sees_tables, "{version}: {found:?}");
    if let Some(notes) = notes {
        assert_eq!(notes.engine.as_deref(), Some("MyISAM"), "{version}");
        assert_eq!(notes.inserted_rows.map(|rows| rows.0.get()), Some(2), "{version}");
        // Where the server has a dictionary, only the engine could tell, by opening the table.
        let told = version.is_mariadb();
        assert_eq!(notes.rows.map(|rows| rows.last.get()), told.then_some(2), "{version}");
        assert_eq!(notes.last_written.is_some(), told, "{version}: {notes:?}");
    }
    let found = rows(seen, Topic::Functions);
    let [tidy] = Function::of(&found) else { panic!("{version}: {found:?}") };
    assert_eq!((&*tidy.schema, &*tidy.function, &*tidy.kind), ("shop", "tidy", "trigger"), "{version}");
    assert_eq!((tidy.calls.0.get(), tidy.statements.is_some()), (2, !version.is_mariadb()), "{version}");
    let found = rows(seen, Topic::ScheduledEvents);
    if sees_tables || version.is_mariadb() {
        let [nightly] = ScheduledEvent::of(&found) else { panic!("{version}: {found:?}") };
        let told = (&*nightly.event, &*nightly.status, nightly.recurs, nightly.has_run);
        assert_eq!(told, ("nightly", "source", true, false), "{version}");
    } else {
        assert_eq!(found.len(), 0, "{version}: they are hidden, and the gap says so");
    }
}

fn schema(seen: &[Visit], version: Version, sees_tables: bool) {
    let found = rows(seen, Topic::Constraints);
    let [key] = Constraint::of(&found) else { panic!("{version}: {found:?}") };
    let told = (&*key.constraint, &*key.table, key.columns.as_deref(), key.target_columns.as_deref());
    assert_eq!(told, ("of_order", "lines", Some("order_id"), Some("id")), "{version}");
    assert_eq!((&*key.on_delete, &*key.on_update), ("c", "a"), "{version}");
    let tables = rows(seen, Topic::Tables);
    let is_target = |table: &&Table| table.oid == key.target_oid;
    assert_eq!(
        Table::of(&tables).iter().find(is_target).map(|table| &*table.table),
        Some("orders"),
        "{version}"
    );

    let settings = rows(seen, Topic::Settings);
    let find = |name: &str| Setting::of(&settings).iter().find(|row| &*row.setting == name);
    let connections = find("max_connections").unwrap_or_else(|| panic!("{version}"));
    assert_eq!((connections.value.as_deref(), connections.is_changed), (Some("151"), false), "{version}");
    assert!(find("server_id").unwrap().is_changed, "{version}");
    assert_eq!(find("init_connect").unwrap().value, None, "{version}: there may be a secret in it");
    let plugins = rows(seen, Topic::Plugins);
    assert!(Plugin::of(&plugins).iter().any(|plugin| &*plugin.plugin == "InnoDB"), "{version}");
    let roles = rows(seen, Topic::Roles);
    let ours: Vec<&Role> = Role::of(&roles).iter().filter(|role| role.is_ours == Some(true)).collect();
    let [ours] = ours[..] else { panic!("{version}: {roles:?}") };
    assert_eq!(ours.is_superuser, ours.role.contains("root"), "{version}: {ours:?}");
    if !sees_tables {
        return;
    }
    let found = rows(seen, Topic::Partitions);
    let [parts] = Partitioning::of(&found) else { panic!("{version}: {found:?}") };
    assert_eq!((&*parts.table, parts.partitions.last.get()), ("parts", 3), "{version}");
    let found = rows(seen, Topic::Columns);
    let columns: Vec<(&str, bool)> = Column::of(&found)
        .iter()
        .filter(|row| &*row.table == "orders")
        .map(|row| (&*row.column, row.not_null))
        .collect();
    assert_eq!(columns.len(), 2, "{version}: {columns:?}");
    assert!(columns.contains(&("id", true)) && columns.contains(&("note", false)), "{version}: {columns:?}");
    let found = rows(seen, Topic::Sequences);
    let numbers = Sequence::of(&found).iter().find(|row| &*row.sequence == "orders");
    let numbers = numbers.unwrap_or_else(|| panic!("{version}: {found:?}"));
    let told = (&*numbers.sequence, numbers.column.as_deref(), numbers.last_value, numbers.highest);
    assert_eq!(told, ("orders", Some("id"), Some(3), i64::from(i32::MAX)), "{version}");
}

/// Whoever looks at a table must not open it: with ten thousand of them that would put out those in use.
#[tokio::test(flavor = "multi_thread")]
async fn no_table_is_opened_for_us() {
    const TABLES: usize = 300;
    for version in supported() {
        let server = prepared(version).await;
        let tables: String = (0..TABLES)
            .map(|nth| format!("create table shop.t{nth} (id int primary key auto_increment, a int, key a (a)) engine=innodb;"))
            .collect();
        let mut session = server.connect("").await;
        for table in tables.split(';').filter(|table| !table.is_empty()) {
            run(&mut session, table).await.unwrap();
        }
        run(&mut session, "flush tables").await.unwrap();
        let opened = async || {
            let rows = server.sql("", "show global status like 'Opened_tables'").await;
            rows[0][1].as_deref().unwrap().parse::<usize>().unwrap()
        };
        let before = opened().await;
        for url in [server.url(""), server.url_as("sonde", "sesame", "")] {
            let engine = engine(&url);
            visits(&engine).await;
            let seen = visits(&engine).await;
            assert_eq!(Table::of(&rows(&seen, Topic::Tables)).len(), TABLES + 3, "{version}");
            // What is not opened for us is not known, and said.
            let is_told = |topic: Topic| {
                let all = format!("{0} of {0} tables", TABLES + 3);
                let gaps = seen.iter().flat_map(|visit| &visit.sample.gaps);
                gaps.filter(|gap| gap.topic == topic).any(|gap| gap.reason.contains(&all))
            };
            for topic in [Topic::Columns, Topic::Sequences] {
                assert_eq!(is_told(topic), version.is_mariadb(), "{version}: {topic}");
            }
        }
        let open = server.sql("", "show open tables from shop").await;
        assert_eq!(open, Vec::<Vec<Option<String>>>::new(), "{version}");
        // What the server opens of its own to answer.
        let ours = opened().await - before;
        assert!(ours < TABLES, "{version}: {ours} tables were opened");
    }
}

/// The same spelling has the same digest, whoever the server is.
#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_the_same_on_every_flavour() {
    let mut digests = std::collections::BTreeSet::new();
    for version in supported() {
        let server = prepared(version).await;
        // A list of one is to the server another statement than a longer one.
        for list in ["1", "1, 2"] {
            server.sql("shop", &format!("select note from orders where id in ({list})")).await;
        }
        let engine = engine(&server.url(""));
        visits(&engine).await;
        let seen = visits(&engine).await;
        let info = rows(&seen, Topic::StatementsInfo);
        let info = &StatementsInfo::of(&info)[0];
        assert!(last(info.split) >= Some(1) && last(info.lumped) >= Some(2), "{version}: {info:?}");
        let texts = seen[0].texts.clone().unwrap();
        let wanted = "select count(*) from orders where note = ?";
        let found = texts.shown().find(|(_, text)| *text == wanted);
        digests.insert(found.unwrap_or_else(|| panic!("{version} does not know {wanted}")).0);
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
}

/// Where performance_schema is off, what runs is seen in the process list: without a literal, and said to be a sample.
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_sampled_where_no_digest_tells() {
    for version in supported() {
        let server = Server::start(version, &[("performance_schema", "OFF")]).await;
        server.sql("test", "create table orders (id int primary key, note varchar(20))").await;
        server.sql("test", "insert into orders values (1, 'canary')").await;
        let mut session = server.connect("test").await;
        let busy = tokio::spawn(async move {
            let _ = run(&mut session, "SELECT sleep(30) FROM orders WHERE note = 'canary'").await;
        });
        server
            .wait_for(
                "",
                "select count(*) from information_schema.processlist where state = 'User sleep'",
                Duration::from_secs(30),
            )
            .await;
        let engine = engine(&server.url(""));
        let mut pulse = engine.open(Lane::Pulse);
        pulse.visit(&Due::default()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let visit = pulse.visit(&Due::default()).await.unwrap();
        let gap = visit.sample.gaps.iter().find(|gap| gap.topic == Topic::Load).unwrap();
        assert!(
            gap.reason.contains("sampled") && gap.reason.contains("performance_schema"),
            "{}",
            gap.reason
        );
        let texts = engine.open(Lane::Beat).visit(&Due::default()).await.unwrap().texts.unwrap();
        let load = rows(&[visit], Topic::Load);
        let told: Vec<_> = Load::of(&load)
            .iter()
            .map(|row| (row.digest.and_then(|digest| texts.fingerprint(digest)), row.session_seconds.float()))
            .collect();
        assert!(
            told.iter().any(|(text, seconds)| {
                *text == Some("select sleep(?) from orders where note = ?") && *seconds > 0.2
            }),
            "{version}: {told:?}"
        );
        assert!(!format!("{texts:?} {load:?}").contains("canary"), "{version}");
        busy.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_compressed_is_measured_in_its_own_pages() {
    for version in supported() {
        let server = Server::start(version, &[]).await;
        for statement in [
            "create table squeezed (id int primary key, note varchar(20), key note (note))
                engine = innodb row_format = compressed key_block_size = 4",
            "insert into squeezed values (1, 'a')",
            "analyze table squeezed",
        ] {
            server.sql("test", statement).await;
        }
        let seen = visits(&engine(&server.url(""))).await;
        let (tables, indexes) = (rows(&seen, Topic::Tables), rows(&seen, Topic::Indexes));
        let sizes = Table::of(&tables).iter().map(|table| table.size_bytes);
        let sizes = sizes.chain(Index::of(&indexes).iter().map(|index| index.size_bytes));
        let sizes: Vec<_> = sizes.map(|size| size.map(|size| size.last.get())).collect();
        assert_eq!(sizes, [Some(4_096); 3], "{version}");
    }
}

/// A scheduled event has a session of its own, which calls itself neither at work nor asleep.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_event_does_is_work() {
    let told =
        supported().into_iter().flat_map(|version| ["ON", "OFF"].map(|instruments| (version, instruments)));
    for (version, instruments) in told {
        let settings = [("event_scheduler", "ON"), ("performance_schema", instruments)];
        let server = Server::start(version, &settings).await;
        server.sql("test", "create event slow on schedule every 1 second do select sleep(60)").await;
        let engine = engine(&server.url(""));
        let is_there =
            |sessions: &[Session]| sessions.iter().any(|row| row.state.as_deref() == Some("active"));
        let began = Instant::now();
        while !is_there(Session::of(&rows(&visits(&engine).await, Topic::Sessions))) {
            assert!(
                began.elapsed() < Duration::from_secs(15),
                "{version} {instruments}: {:?}",
                rows(&visits(&engine).await, Topic::Sessions)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_counted_by_their_number() {
    for version in supported().into_iter().filter(|version| !version.is_mariadb()) {
        let server = prepared(version).await;
        let engine = engine(&server.url(""));
        let met = |seen: &[Visit]| {
            let found = rows(seen, Topic::Errors);
            let row = ServerError::of(&found).iter().find(|row| row.number == 1062);
            row.map_or(0, |row| row.raised.0.get())
        };
        let before = met(&visits(&engine).await);
        for _ in 0..3 {
            server.try_sql("shop", "insert into orders (id) values (1)").await.expect_err("it is there");
        }
        let after = visits(&engine).await;
        assert_eq!(met(&after), before + 3, "{version}");
        let found = rows(&after, Topic::Errors);
        let row = ServerError::of(&found).iter().find(|row| row.number == 1062).unwrap();
        assert_eq!(&*row.error, "ER_DUP_ENTRY", "{version}");
    }
}

/// Reads until it is so, for at most half a minute.
async fn until(
    engine: &Arc<dyn Engine>,
    is_so: impl Fn(&ReplicationReceiver) -> bool,
) -> ReplicationReceiver {
    let began = Instant::now();
    loop {
        let found = rows(&visits(engine).await, Topic::ReplicationReceiver);
        let row = ReplicationReceiver::of(&found)[0].clone();
        if is_so(&row) {
            return row;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{row:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn last(level: Option<Level<Count>>) -> Option<u64> {
    level.map(|level| level.last.get())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_is_read_as_what_each_is() {
    for version in supported() {
        let source = prepared(version).await;
        let replica = source.replica(&[]).await;
        let above = visits(&engine(&source.url(""))).await;
        assert_eq!(above[0].server.clone().unwrap().role, "primary", "{version}");
        let senders = rows(&above, Topic::ReplicationSenders);
        let states: Vec<_> = ReplicationSender::of(&senders).iter().map(|row| row.state.as_deref()).collect();
        assert_eq!(states.len(), 1, "{version}: {senders:?}");
        // The replica has its source's logins.
        let url = replica.url_as("sonde", "sesame", "");
        let engine = engine(&url);
        let below = visits(&engine).await;
        // What its indexes are made of who may read no table does not see, nor 10.5 by default what runs.
        assert_eq!(
            unexpected_gaps(
                &below,
                &[
                    Topic::Columns,
                    Topic::Indexes,
                    Topic::Latencies,
                    Topic::Load,
                    Topic::ScheduledEvents,
                    Topic::Sequences
                ]
            ),
            Vec::<String>::new(),
            "{version}"
        );
        for visit in &below {
            let epochs = visit.sample.parts.iter().map(|(.., part)| part.epoch.server.to_string());
            assert!(epochs.into_iter().all(|server| server.starts_with("standby")), "{version}");
        }
        let runs = until(&engine, |row| last(row.receiving) == Some(1)).await;
        assert_eq!((last(runs.applying), last(runs.apply_error)), (Some(1), Some(0)), "{version}: {runs:?}");
        assert_eq!(
            (runs.sender.as_deref(), last(runs.apply_lag_transactions)),
            (Some("127.0.0.1"), Some(0)),
            "{version}"
        );
        // Those that play what comes from there are no load while nothing comes.
        let seen = rows(&visits(&engine).await, Topic::Sessions);
        let rest = Session::of(&seen).iter().filter(|row| row.state.as_deref() == Some("background")).count();
        let busy = Session::of(&seen).iter().find(|row| row.state.as_deref() == Some("active"));
        assert!((version.is_mariadb() || rest >= 2) && busy.is_none(), "{version}: {seen:?}");
        assert!(runs.apply_lag_seconds.is_some() && runs.kept_bytes.is_some(), "{version}: {runs:?}");
        if !version.is_mariadb() {
            let workers = rows(&below, Topic::ReplicationWorkers);
            let running =
                ReplicationWorker::of(&workers).iter().filter(|row| row.running.last.get() == 1).count();
            assert!(running > 0, "{version}: {workers:?}");
        }

        let word = if version.is_mariadb() { "slave" } else { "replica" };
        // Whoever stops it waits for the statement that is applied; we do not wait for both.
        let slow = format!(
            "set session binlog_format = statement;
             insert into orders (id) select 900 + sleep(if(@@port = {}, 0, 4))",
            source.port
        );
        source.sql("shop", &slow).await;
        let applies = "select count(*) from information_schema.processlist where info like 'insert%sleep%'";
        replica.wait_for("", applies, Duration::from_secs(30)).await;
        let mut stopper = replica.connect("").await;
        let stop = format!("stop {word} sql_thread");
        let stopping = tokio::spawn(async move { run(&mut stopper, &stop).await.map(drop) });
        let waits =
            format!("select count(*) from information_schema.processlist where info like 'stop {word}%'");
        replica.wait_for("", &waits, Duration::from_secs(30)).await;
        let meanwhile = rows(&visits(&engine).await, Topic::ReplicationReceiver);
        assert_eq!(meanwhile.len(), 1, "{version}: it is read while STOP waits");
        stopping.await.unwrap().unwrap();
        replica.sql("", &format!("start {word} sql_thread")).await;
        until(&engine, |row| last(row.apply_lag_transactions) == Some(0)).await;

        replica.sql("", &format!("stop {word} sql_thread")).await;
        for n in 100..105 {
            source.sql("shop", &format!("insert into orders (id) values ({n})")).await;
        }
        let stopped = until(&engine, |row| last(row.apply_lag_transactions) == Some(5)).await;
        assert_eq!(
            (last(stopped.applying), last(stopped.receiving)),
            (Some(0), Some(1)),
            "{version}: {stopped:?}"
        );
        assert!(
            stopped.is_paused && stopped.apply_lag_bytes.is_some_and(|lag| lag.last.get() > 0),
            "{version}: {stopped:?}"
        );
        assert_eq!(
            visits(&engine).await[0].server.clone().unwrap().role,
            "standby",
            "{version}: still a copy"
        );
    }
}

/// What takes no writes copies nobody by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_only_closed_to_writers_is_no_standby() {
    for version in flavours() {
        let server = Server::start(version, &[("read_only", "ON")]).await;
        let seen = visits(&engine(&server.url(""))).await;
        assert_eq!(seen[0].server.clone().unwrap().role, "primary", "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_see_replication_there_is_a_gap_and_a_way_out() {
    for version in flavours() {
        let server = Server::start(version, &[]).await;
        for statement in
            ["create user sonde identified by 'sesame'", "grant select on performance_schema.* to sonde"]
        {
            server.sql("", statement).await;
        }
        let engine = engine(&server.url_as("sonde", "sesame", ""));
        let seen = visits(&engine).await;
        let gaps = unexpected_gaps(&seen, &[Topic::Innodb, Topic::Tables, Topic::Indexes]);
        assert!(gaps.iter().any(|gap| gap.starts_with("replication_receiver")), "{version}: {gaps:?}");
        let right = if version.is_mariadb() { "SLAVE MONITOR" } else { "REPLICATION CLIENT" };
        let lacks = seen[0].server.clone().unwrap().lacks;
        let lack =
            lacks.iter().find(|lack| lack.what == right).unwrap_or_else(|| panic!("{version}: {lacks:?}"));
        server.sql("", &lack.mend).await;
        let mended = visits(&crate::versions::engine(&server.url_as("sonde", "sesame", ""))).await;
        assert!(topics(&mended).contains(&Topic::ReplicationReceiver), "{version}");
    }
}
