//! A server that keeps names in small letters, whatever its clients write, and a view among its tables.

use crate::rig::mysql::{Server, Version, flavours};
use crate::versions::{engine, rows, unexpected_gaps, visits};
use dbsonde::model::{Column, InTopic, Sequence, Statement, Table, Topic};

#[tokio::test(flavor = "multi_thread")]
async fn names_of_tables_without_case_and_views_are_no_other_tables() {
    for version in flavours() {
        are_no_other_tables(version).await;
    }
}

async fn are_no_other_tables(version: Version) {
    let server = Server::start(version, &[("lower_case_table_names", "1")]).await;
    for statement in [
        "drop database test",
        "create database Shop",
        "create table Shop.Orders (Id int primary key auto_increment, Note varchar(20), key Note (Note)) engine=innodb",
        "create view Shop.OrderView as select * from Shop.Orders",
        "insert into Shop.Orders (Note) values ('a')",
    ] {
        server.sql("", statement).await;
    }
    for asked in ["Orders", "ORDERS", "OrderView"] {
        server.sql("Shop", &format!("select count(*) from {asked} where Note = 'a'")).await;
    }
    let engine = engine(&server.url(""));
    visits(&engine).await;
    let seen = visits(&engine).await;
    assert_eq!(unexpected_gaps(&seen, &[Topic::Latencies, Topic::Load]), Vec::<String>::new());
    let found = rows(&seen, Topic::Tables);
    let tables: Vec<(&str, &str)> = Table::of(&found).iter().map(|row| (&*row.schema, &*row.table)).collect();
    assert_eq!(tables, [("shop", "orders")], "one table, and the view is none");
    let oid = Table::of(&found)[0].oid;
    let found = rows(&seen, Topic::Columns);
    let columns: Vec<&str> =
        Column::of(&found).iter().filter(|row| row.table_oid == oid).map(|row| &*row.column).collect();
    assert_eq!(columns, ["Id", "Note"]);
    let found = rows(&seen, Topic::Sequences);
    let [numbers] = Sequence::of(&found) else { panic!("{found:?}") };
    assert_eq!((&*numbers.sequence, numbers.table_oid, numbers.last_value), ("orders", Some(oid), Some(1)));
    // A statement is what was written; where it was called is one place.
    let texts = seen[0].texts.clone().unwrap();
    let found = rows(&seen, Topic::Statements);
    let counted = Statement::of(&found).iter().filter(|row| {
        let text = row.digest.and_then(|digest| texts.fingerprint(digest));
        text.is_some_and(|text| text.starts_with("select count(*) from") && text.contains("Note"))
    });
    let places: Vec<Option<&str>> = counted.map(|row| row.database.as_deref()).collect();
    assert_eq!(places, [Some("shop"); 3]);
}
