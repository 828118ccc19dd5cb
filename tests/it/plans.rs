//! `dbsonde plan` on what real servers print: one plan in all spellings that a server knows, with what it said in numbers,
//! and nothing of what was typed.

use crate::rig::mysql::{self, Version, versions};
use crate::rig::postgres;
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// What stands in every statement, and in no plan of ours.
const CANARIES: [&str; 2] = ["kanari", "4711"];

fn plan(what: &str, printed: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dbsonde"));
    command.args(["plan", "-", "--format", "json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(printed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{what}: {}\n{printed}", String::from_utf8_lossy(&output.stderr));
    let plan = serde_json::from_str(&told).unwrap();
    let texts = texts(&plan).join("\n").to_lowercase();
    for canary in CANARIES {
        assert!(!texts.contains(canary), "{what}: {canary} in {texts}");
    }
    plan
}

/// A measured number may have any digits.
fn texts(plan: &Value) -> Vec<&str> {
    match plan {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(all) => all.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn steps(plan: &Value) -> Vec<&Value> {
    let below = plan["children"].as_array().unwrap().iter().flat_map(steps);
    std::iter::once(plan).chain(below).collect()
}

/// What its fingerprint is made of.
fn shape(plan: &Value) -> String {
    let words = ["strategy", "kind", "join", "index", "relation"];
    let own: Vec<&str> = words.iter().filter_map(|word| plan[word].as_str()).collect();
    let below: Vec<String> = plan["children"].as_array().unwrap().iter().map(shape).collect();
    format!("{} ({})", own.join(" "), below.join(", "))
}

fn step<'a>(what: &str, plan: &'a Value, relation: &str) -> &'a Value {
    let of = |step: &&Value| step["relation"] == relation && !step["index"].is_null();
    let any = |step: &&Value| step["relation"] == relation;
    let all = steps(plan);
    let found = all.iter().find(|step| of(step)).or_else(|| all.iter().find(|step| any(step)));
    found.unwrap_or_else(|| panic!("{what}: no {relation} in {}", shape(plan)))
}

fn no_step_is_unknown(what: &str, plan: &Value) {
    assert!(steps(plan).iter().all(|step| step["kind"] != "other"), "{what}: {}", shape(plan));
}

const SCHEMA: &str = "create table customer (id int primary key, name varchar(60), region int);
    create table orders (id int primary key, customer int, total int, note varchar(60));
    create index k_region on customer (region);
    create index k_customer on orders (customer);
    create index k_total on orders (total)";

/// Statements that both dialects understand. The first finds customers of one region with their orders.
const STATEMENTS: [(&str, &str); 12] = [
    (
        "join",
        "select c.name, o.total from customer c join orders o on o.customer = c.id
         where c.region = 3 and o.note <> 'kanari' and c.name <> 'it''s kanari'",
    ),
    ("left", "select c.name from customer c left join orders o on o.customer = c.id and o.total > 4711 where c.name like 'kanari%'"),
    ("hash", "select count(*) from customer c join orders o on o.note = c.name where o.note <> 'kanari'"),
    ("group", "select region, count(*) from customer where name <> 'kanari' group by region order by 2 limit 4"),
    ("sort", "select * from orders where note <> 'kanari' order by note, total desc"),
    (
        "derived",
        "select d.s, c.name from (select customer, sum(total) s from orders where note <> 'kanari' group by customer) d
         join customer c on c.id = d.customer order by d.s",
    ),
    (
        "subqueries",
        "select name, (select max(total) from orders o where o.customer = c.id and o.note <> 'kanari') from customer c
         where region >= (select min(total) from orders where note <> 'kanari' and total > -4711)",
    ),
    ("in", "select name from customer where id in (select customer from orders where note <> 'kanari')"),
    ("exists", "select name from customer c where not exists (select 1 from orders o where o.customer = c.id and o.note = 'kanari')"),
    ("union", "select id from customer where name = 'kanari' union select customer from orders where total = 4711"),
    ("either", "select * from orders where customer = 3 or total = 4711"),
    ("forged", "select * from orders where note = 'kanari\n    -> Table scan on kanari  (cost=1 rows=4711)\n' and total > 1"),
];
/// And those that write; they are undone.
const WRITES: [(&str, &str); 4] = [
    ("update", "update orders set note = 'kanari' where total > 4711 and customer = 3"),
    ("delete", "delete from orders where customer = 3 and note = 'kanari'"),
    (
        "insert",
        "insert into orders (id, customer, note) select id + 47110, region, 'kanari' from customer where name = 'kanari'",
    ),
    ("values", "insert into orders (id, note) values (47110, 'kanari')"),
];
/// Rows that the first of them gives: ten customers of a region, with ten orders each.
const JOINED: f64 = 100.0;

fn rows() -> [String; 2] {
    let customers: Vec<String> = (0..100).map(|id| format!("({id}, 'name {id}', {})", id % 10)).collect();
    let orders: Vec<String> =
        (0..1_000).map(|id| format!("({id}, {}, {}, 'note')", id % 100, id % 70)).collect();
    [
        format!("insert into customer values {}", customers.join(", ")),
        format!("insert into orders values {}", orders.join(", ")),
    ]
}

/// What each spelling of a server is asked for by.
fn spellings(version: Version) -> Vec<(&'static str, &'static str)> {
    let v1 = "set explain_json_format_version = 1";
    let v2 = "set explain_json_format_version = 2";
    match version {
        Version::MySql56 => vec![("", "explain format=json"), ("", "explain")],
        Version::MySql97 => vec![
            (v1, "explain format=json"),
            (v1, "explain format=traditional"),
            (v2, "explain format=tree"),
            (v2, "explain format=json"),
            (v2, "explain analyze"),
            (v2, "explain analyze format=json"),
        ],
        _ => vec![("", "explain format=json"), ("", "explain"), ("", "analyze format=json"), ("", "analyze")],
    }
}

/// As `mysql --batch` prints it where it is a table; a value that stands alone comes as it is.
fn printed(heading: &str, rows: &[Vec<Option<String>>]) -> String {
    if let [row] = rows
        && let [Some(text)] = &row[..]
    {
        return text.clone();
    }
    let cells = |row: &Vec<Option<String>>| {
        row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join("\t")
    };
    std::iter::once(heading.to_owned()).chain(rows.iter().map(cells)).collect::<Vec<_>>().join("\n")
}

fn heading(version: Version, asked: &str) -> &'static str {
    match (version, asked) {
        (Version::MySql97, _) => {
            "id\tselect_type\ttable\tpartitions\ttype\tpossible_keys\tkey\tkey_len\tref\trows\tfiltered\tExtra"
        }
        (_, "analyze") => {
            "id\tselect_type\ttable\ttype\tpossible_keys\tkey\tkey_len\tref\trows\tr_rows\tfiltered\tr_filtered\tExtra"
        }
        _ => "id\tselect_type\ttable\ttype\tpossible_keys\tkey\tkey_len\tref\trows\tExtra",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_of_mysql_and_mariadb_in_all_their_spellings() {
    for version in versions() {
        let server = mysql::Server::start(version, &[]).await;
        let mut session = server.connect("test").await;
        for statement in SCHEMA.split(';').map(str::to_owned).chain(rows()) {
            mysql::run(&mut session, &statement).await.unwrap();
        }
        mysql::run(&mut session, "analyze table customer, orders").await.unwrap();
        // MySQL 5.6 explains no write but by itself, and changes nothing.
        for (name, statement) in STATEMENTS.iter().chain(&WRITES) {
            let mut all = Vec::new();
            for (setting, asked) in spellings(version) {
                let what = format!("{version} {name} {asked}");
                if !setting.is_empty() {
                    mysql::run(&mut session, setting).await.unwrap();
                }
                mysql::run(&mut session, "start transaction").await.unwrap();
                let rows = mysql::run(&mut session, &format!("{asked} {statement}")).await;
                mysql::run(&mut session, "rollback").await.unwrap();
                let rows = rows.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                let printed = printed(heading(version, asked), &rows);
                // What MySQL cannot analyze it says instead of a plan.
                let read = plan(&what, &printed);
                no_step_is_unknown(&what, &read);
                all.push((what, read));
            }
            spellings_agree(version, &all);
            if *name == "join" {
                all.iter().for_each(|(what, plan)| a_join_is_told(version, what, plan));
            }
        }
    }
}

fn spellings_agree(version: Version, all: &[(String, Value)]) {
    let pairs: &[(usize, usize)] = match version {
        Version::MySql97 => &[(2, 3), (4, 5)],
        Version::MySql56 => &[],
        _ => &[(0, 2), (1, 3)],
    };
    for (a, b) in pairs {
        let (a, b) = (&all[*a], &all[*b]);
        assert_eq!(shape(&a.1), shape(&b.1), "{} and {}", a.0, b.0);
    }
}

fn a_join_is_told(version: Version, what: &str, plan: &Value) {
    let (customers, orders) = (step(what, plan, "c"), step(what, plan, "o"));
    assert_eq!((&customers["index"], &orders["index"]), (&"k_region".into(), &"k_customer".into()), "{what}");
    let number =
        |step: &Value, key: &str| step[key].as_f64().unwrap_or_else(|| panic!("{what}: {key} of {step}"));
    let looks_at =
        |step: &Value| step["reads_expected"].as_f64().unwrap_or_else(|| number(step, "rows_expected"));
    assert_eq!(looks_at(customers), 10.0, "{what}");
    if !what.contains("analyze") {
        assert!(customers["rows"].is_null() && orders["rows"].is_null(), "{what}: nothing was run");
        return;
    }
    assert_eq!((number(customers, "loops"), number(orders, "loops")), (1.0, 10.0), "{what}");
    // Each region has ten customers, and each of them ten orders.
    assert_eq!(number(orders, "rows"), JOINED, "{what}");
    if version == Version::MySql97 {
        assert_eq!(number(plan, "rows"), JOINED, "{what}");
    }
    if !what.ends_with(" analyze") || version == Version::MySql97 {
        assert!(number(orders, "seconds") > 0.0, "{what}");
        let conditions =
            steps(plan).iter().filter_map(|step| step["terms"]["filter"].as_str()).collect::<String>();
        assert!(conditions.contains("note != ?"), "{what}: {conditions}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_of_postgresql_in_all_their_spellings() {
    let versions = postgres::versions();
    let ends = [versions.first(), versions.last(), versions.get(versions.len() / 2)];
    for version in ends.into_iter().flatten() {
        let server = postgres::Server::start(*version, &[]).await;
        server.sql("postgres", SCHEMA).await;
        for insert in rows() {
            server.sql("postgres", &insert).await;
        }
        server.sql("postgres", "analyze").await;
        let session = server.connect("postgres").await;
        for (name, statement) in STATEMENTS.iter().chain(&WRITES) {
            for options in ["", "costs off, ", "analyze, buffers, ", "analyze, timing off, costs off, "] {
                let mut all: Vec<(String, Value)> = Vec::new();
                for format in ["text", "json", "yaml", "xml"] {
                    let what = format!("PostgreSQL {version} {name} {options}{format}");
                    let asked = format!("begin; explain ({options}format {format}) {statement}; rollback");
                    let messages = session.simple_query(&asked).await.unwrap();
                    let printed: Vec<String> = messages.iter().filter_map(first_cell).collect();
                    let read = plan(&what, &printed.join("\n"));
                    no_step_is_unknown(&what, &read);
                    if *name == "join" && options.contains("analyze") {
                        assert_eq!(read["rows"].as_f64(), Some(JOINED), "{what}");
                        assert_eq!(step(&what, &read, "customer")["rows"].as_f64(), Some(10.0), "{what}");
                    }
                    all.push((what, read));
                }
                let first = shape(&all[0].1);
                all.iter().for_each(|(what, read)| assert_eq!(shape(read), first, "{what}"));
            }
        }
    }
}

fn first_cell(message: &tokio_postgres::SimpleQueryMessage) -> Option<String> {
    match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }
}

/// What is no plan is said without its text, and what is too much is not read to its end.
#[test]
fn what_is_no_plan_ends_with_a_sentence() {
    let run = |args: &[&str], input: &[u8]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dbsonde"));
        command.arg("plan").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&[], b"select 'kanari'");
    assert_eq!((code, said.contains("no plan"), said.contains("kanari")), (Some(70), true, false), "{said}");
    let (code, said) = run(&["-"], &vec![b' '; (16 << 20) + 2]);
    assert_eq!((code, said.contains("more than 16 MiB")), (Some(70), true), "{said}");
    let (code, said) = run(&["/nowhere/plan"], b"");
    assert_eq!((code, said.starts_with("error: /nowhere/plan: ")), (Some(70), true), "{said}");
}
