//! A group and a cluster of one server each: all that is said of members is said of the one, by the server itself.

use crate::rig::free_port;
use crate::rig::mysql::{Server, Version, versions};
use crate::versions::{engine, rows, visits};
use dbsonde::model::{Galera, GroupMember, InTopic, Topic};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_a_group_is_read() {
    let version = Version::MySql97;
    if !versions().contains(&version) {
        return;
    }
    let server = Server::start(version, &[("report_host", "127.0.0.1")]).await;
    let port = free_port();
    let begin = format!(
        "install plugin group_replication soname 'group_replication.so';
        set global group_replication_group_name = '00000000-0000-0000-0000-0000000000aa';
        set global group_replication_local_address = '127.0.0.1:{port}';
        set global group_replication_bootstrap_group = on;
        start group_replication"
    );
    for statement in begin.split(';') {
        server.sql("", statement).await;
    }
    let writable = "select count(*) from performance_schema.replication_group_members
        where member_state = 'ONLINE' and not @@global.super_read_only";
    server.wait_for("", writable, PATIENCE).await;
    let engine = engine(&server.url(""));
    let member = async || {
        let seen = visits(&engine).await;
        let role = seen[0].server.clone().unwrap().role;
        let found = rows(&seen, Topic::GroupMembers);
        let [row] = GroupMember::of(&found) else { panic!("{found:?}") };
        (role, row.clone())
    };
    let (role, before) = member().await;
    assert_eq!(role, "primary", "the group's own channels are no source");
    let place = format!("127.0.0.1:{}", server.port);
    assert_eq!(
        (&*before.member, &*before.state, before.role.as_deref()),
        (&*place, "ONLINE", Some("PRIMARY"))
    );
    assert_eq!((before.online.last.get(), before.conflicts.unwrap().0.get()), (1, 0));
    assert!(before.version.as_deref().is_some_and(|version| version.starts_with("9.7")));
    for statement in
        ["create database shop", "create table shop.t (a int primary key)", "insert into shop.t values (1)"]
    {
        server.sql("", statement).await;
    }
    let (_, after) = member().await;
    let grew = |of: fn(&GroupMember) -> u64| of(&after) - of(&before);
    assert_eq!(grew(|row| row.proposed.unwrap().0.get()), 3);
    assert_eq!(grew(|row| row.checked.unwrap().0.get()), 3);
    server.sql("", "stop group_replication").await;
    let (_, gone) = member().await;
    assert_eq!((&*gone.state, gone.online.last.get()), ("OFFLINE", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_is_read() {
    let with = versions().into_iter().find_map(|version| Some((version, version.galera()?)));
    let Some((version, library)) = with else {
        println!("skip: no version with Galera is installed");
        return;
    };
    let options =
        format!("gmcast.listen_addr=tcp://127.0.0.1:{};ist.recv_addr=127.0.0.1:{}", free_port(), free_port());
    let settings = [
        ("binlog_format", "ROW"),
        ("innodb_autoinc_lock_mode", "2"),
        ("wsrep_on", "ON"),
        ("wsrep_provider", &library.display().to_string()),
        ("wsrep_provider_options", &options),
        ("wsrep_cluster_address", "gcomm://"),
        ("wsrep_node_address", "127.0.0.1"),
        ("wsrep_sst_method", "skip"),
    ];
    let server = Server::start(version, &settings).await;
    let ready = "select count(*) from information_schema.global_status
        where variable_name = 'wsrep_ready' and variable_value = 'ON'";
    server.wait_for("", ready, PATIENCE).await;
    let engine = engine(&server.url(""));
    let node = async || {
        let found = rows(&visits(&engine).await, Topic::Galera);
        let [row] = Galera::of(&found) else { panic!("{found:?}") };
        row.clone()
    };
    let before = node().await;
    assert_eq!(
        (before.cluster_status.as_deref(), before.state.as_deref()),
        (Some("Primary"), Some("Synced"))
    );
    assert_eq!((before.ready, before.connected), (Some(true), Some(true)), "{before:?}");
    assert_eq!(before.members.unwrap().last.get(), 1);
    server.sql("", "create table test.t (a int primary key) engine=innodb").await;
    server.sql("", "insert into test.t values (1)").await;
    let after = node().await;
    let grew = |of: fn(&Galera) -> f64| of(&after) - of(&before);
    assert_eq!(grew(|row| row.sent_writes.unwrap().float()), 2.0, "{after:?}");
    assert!(grew(|row| row.sent_bytes.unwrap().float()) > 0.0, "{after:?}");
    assert_eq!(after.conflicts.map(|conflicts| conflicts.float()), Some(0.0));
}
