//! What each of our statements costs a MySQL or MariaDB: taken from the server's general log while dbsonde watches, then
//! run again on one session whose thread the kernel counts.

use crate::outside::thread_ns;
use crate::rig::mysql::{Server, run};
use crate::rig::postgres::Row;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Each statement is run so often that its threads' clock ticks often enough, or for so long.
const TIMES: u32 = 20;
const LONGEST: Duration = Duration::from_secs(3);

pub struct Lane {
    thread: u32,
    session: String,
    pub name: String,
}

/// Threads of dbsonde's own sessions, each with what it calls itself and the number of its session.
pub async fn lanes(server: &Server) -> Vec<Lane> {
    let query = "select t.thread_os_id, t.processlist_id, a.attr_value from performance_schema.threads t
        join performance_schema.session_connect_attrs a on a.processlist_id = t.processlist_id
        where a.attr_name = 'program_name' and a.attr_value like 'dbsonde%' order by t.processlist_id";
    let lane = |row: &Row| {
        let text = |at: usize| row[at].clone().expect("no null");
        Lane { thread: text(0).parse().expect("a thread"), session: text(1), name: text(2) }
    };
    server.sql("", query).await.iter().map(lane).collect()
}

/// Milliseconds of processor time of these threads so far.
pub fn spent(server: &Server, lanes: &[Lane]) -> Vec<f64> {
    let pid = server.pids()[0];
    lanes.iter().map(|lane| thread_ns(pid, lane.thread).unwrap_or_default() as f64 / 1e6).collect()
}

/// What dbsonde sends meanwhile: how often each wording, and its last text.
async fn sent(server: &Server, how_long: Duration) -> BTreeMap<String, (u32, String)> {
    let lanes: Vec<String> = lanes(server).await.into_iter().map(|lane| lane.session).collect();
    for statement in
        ["set global log_output = 'TABLE'", "truncate mysql.general_log", "set global general_log = ON"]
    {
        server.sql("", statement).await;
    }
    tokio::time::sleep(how_long).await;
    server.sql("", "set global general_log = OFF").await;
    let query = "select thread_id, convert(argument using utf8mb4) from mysql.general_log where command_type = 'Query'";
    let mut sent = BTreeMap::new();
    for row in server.sql("", query).await {
        let (Some(id), Some(text)) = (row[0].clone(), row[1].clone()) else { continue };
        if lanes.contains(&id) {
            let of = sent.entry(since(&text, "")).or_insert((0, String::new()));
            *of = (of.0 + 1, text);
        }
    }
    sent
}

/// The same asked from another second on, if it is a reading of digests.
fn since(text: &str, second: &str) -> String {
    let Some((before, rest)) = text.split_once("from_unixtime(") else { return text.to_owned() };
    let after = rest.split_once(')').map_or("", |(_, after)| after);
    format!("{before}from_unixtime({second}){after}")
}

/// Prints what each statement costs, the dearest minute first.
pub async fn statements(server: &Server, how_long: Duration) {
    let minutes = how_long.as_secs_f64() / 60.0;
    let sent = sent(server, how_long).await;
    let mut session = server.connect("").await;
    for limit in ["set session sql_mode = ''", "set session information_schema_stats_expiry = 0"] {
        let _ = run(&mut session, limit).await;
    }
    let own = "select thread_os_id from performance_schema.threads where processlist_id = connection_id()";
    let thread = run(&mut session, own).await.unwrap()[0][0].as_deref().unwrap().parse().unwrap();
    let pid = server.pids()[0];
    let all_digests =
        sent.values().find(|(_, text)| text.contains("from_unixtime(")).map(|(_, text)| since(text, "86400"));
    let mut lines = Vec::new();
    for (times, text) in sent.into_values().chain(all_digests.map(|text| (0, text))) {
        // The first run may have to read what later ones find.
        if let Err(error) = run(&mut session, &text).await {
            println!("not run again: {error}: {}", short(&text));
            continue;
        }
        let (began, before) = (Instant::now(), thread_ns(pid, thread).unwrap());
        let mut runs = 0;
        while runs < TIMES && began.elapsed() < LONGEST {
            run(&mut session, &text).await.unwrap();
            runs += 1;
        }
        let each = (thread_ns(pid, thread).unwrap() - before) as f64 / 1e6 / f64::from(runs);
        let often = f64::from(times) / minutes;
        lines.push((each * often, each, often, short(&text)));
    }
    lines.sort_by(|a, b| b.0.total_cmp(&a.0));
    let all: f64 = lines.iter().map(|line| line.0).sum();
    println!("each statement, by its own thread: {all:.0} ms a minute in all");
    for (minute, each, often, text) in lines.iter().filter(|line| line.0 >= 0.2 || line.2 == 0.0) {
        println!("  {minute:6.1} ms = {often:5.1} x {each:7.3} ms  {text}");
    }
}

/// The lane and what a statement reads from.
fn short(text: &str) -> String {
    let lane = text.split("/* dbsonde ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("-");
    let words: Vec<&str> = text.split_whitespace().collect();
    let from = words.iter().position(|word| *word == "from").and_then(|at| words.get(at + 1)).copied();
    let source =
        from.map_or_else(|| words.iter().take(9).copied().collect::<Vec<_>>().join(" "), str::to_owned);
    format!("{lane} {source} ({} letters)", text.len())
}
