//! Who of ours waits for a lock, and for how long by the server's own clock: looked at from another session every few
//! milliseconds.

use crate::rig::{mysql, postgres};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

const EVERY: Duration = Duration::from_millis(10);

/// What was seen in all looks together.
#[derive(Debug, Default, Clone)]
pub struct Waits {
    pub looks: usize,
    /// Looks in which somebody of ours waited.
    pub waiting: usize,
    /// The most of ours that waited at one time.
    pub at_once: usize,
    /// How long each wait had lasted when it was looked at, in milliseconds.
    pub lasted: Vec<f64>,
}

impl Waits {
    fn add(&mut self, lasted: Vec<f64>) {
        self.looks += 1;
        self.waiting += usize::from(!lasted.is_empty());
        self.at_once = self.at_once.max(lasted.len());
        self.lasted.extend(lasted);
    }

    /// One of ours at a time, and no look has seen it wait longer than that; but for a few, because a busy machine wakes
    /// a server's timer late.
    pub fn are_short(&self, what: &str, limit: Duration) {
        let limit = limit.as_secs_f64() * 1e3;
        let longer = self.lasted.iter().filter(|lasted| **lasted > limit).count();
        let longest = self.lasted.iter().copied().fold(0.0, f64::max);
        let Waits { looks, waiting, at_once, .. } = self;
        eprintln!(
            "{what}: {looks} looks, {waiting} saw us wait, {longer} for more than {limit} ms, {longest:.0} at most"
        );
        assert!(*looks > 100, "{what}: only {looks} looks");
        assert!(*at_once <= 1, "{what}: {at_once} of ours wait at once");
        assert!(
            longer * 200 <= *looks && longest < 2.0 * limit,
            "{what}: {longer} of {looks}, {longest:.0} ms"
        );
    }
}

/// Sessions of the rig say that they are.
pub async fn rig(server: &postgres::Server, database: &str) -> Client {
    server.connect_url(&format!("{}?application_name=rig", server.url(database))).await.unwrap()
}

/// It reads no table, so that no lock holds it up: what a session says of itself is not there before it is in.
const OF_POSTGRES: &str = "select (extract(epoch from clock_timestamp() - waits.waitstart) * 1000)::float8
      from pg_lock_status() waits join pg_stat_get_activity(null) who on who.pid = waits.pid
     where not waits.granted and who.backend_type = 'client backend' and who.application_name <> 'rig'";

pub async fn of_postgres(server: &postgres::Server, how_long: Duration) -> Waits {
    seen_by(&rig(server, "template1").await, how_long).await
}

/// The same seen by somebody who is in already.
pub async fn seen_by(client: &Client, how_long: Duration) -> Waits {
    let look = client.prepare(OF_POSTGRES).await.unwrap();
    let (mut waits, began) = (Waits::default(), Instant::now());
    while began.elapsed() < how_long {
        let rows = client.query(&look, &[]).await.unwrap();
        waits.add(rows.iter().map(|row| row.get::<_, Option<f64>>(0).unwrap_or_default()).collect());
        tokio::time::sleep(EVERY).await;
    }
    waits
}

/// MySQL tells how long the statement has run, MariaDB the same in milliseconds.
pub async fn of_mysql(server: &mysql::Server, how_long: Duration) -> Waits {
    let look = if server.version.is_mariadb() {
        "select time_ms from information_schema.processlist
          where user = 'sonde' and (state like 'Waiting for%' or state like '%lock%')"
    } else {
        "select s.timer_wait / 1000000000 from performance_schema.threads t
           join performance_schema.events_statements_current s on s.thread_id = t.thread_id
          where t.processlist_user = 'sonde' and (t.processlist_state like 'Waiting for%' or t.processlist_state like '%lock%')"
    };
    let mut session = server.connect("").await;
    let (mut waits, began) = (Waits::default(), Instant::now());
    while began.elapsed() < how_long {
        let rows = mysql::run(&mut session, look).await.unwrap();
        let lasted = rows.iter().map(|row| row[0].as_deref().and_then(|lasted| lasted.parse().ok()));
        waits.add(lasted.map(Option::unwrap_or_default).collect());
        tokio::time::sleep(EVERY).await;
    }
    waits
}

/// Something that is done again and again by a session of its own, until it is dropped.
#[derive(Debug)]
pub struct Storm(JoinHandle<()>);

impl Storm {
    pub async fn over(server: &postgres::Server, database: &str, script: &'static str) -> Storm {
        let client = rig(server, database).await;
        Storm(tokio::spawn(async move {
            // A lock that is not to be had is part of the storm.
            loop {
                for statement in script.split(';') {
                    let _ = client.batch_execute(statement).await;
                }
            }
        }))
    }

    pub async fn over_mysql(server: &mysql::Server, script: &'static str) -> Storm {
        let mut session = server.connect("test").await;
        Storm(tokio::spawn(async move {
            loop {
                for statement in script.split(';').filter(|statement| !statement.trim().is_empty()) {
                    let _ = mysql::run(&mut session, statement).await;
                }
            }
        }))
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.0.abort();
    }
}
