//! A client that asks the same again and again, each time in a session of its own, as settings of a role want it. What
//! goes wrong is shown and tried again: a story must not end because a busy machine cut one session.

use super::mysql;
use mysql_async::{Conn, Opts};
use std::error::Error;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often before the session is a new one.
const TIMES: u32 = 10;

/// Several statements to PostgreSQL are one message; to MySQL they go one after the other, as its clients send them.
pub fn keeps_asking(url: String, statements: impl Into<String>, pause_ms: u64) -> JoinHandle<()> {
    let (statements, pause) = (statements.into(), Duration::from_millis(pause_ms));
    tokio::spawn(async move {
        loop {
            let asked = if url.starts_with("mysql:") {
                ask_mysql(&url, &statements, pause).await
            } else {
                ask_postgres(&url, &statements, pause).await
            };
            if let Err(error) = asked {
                eprintln!("{statements}: {error:?}");
                tokio::time::sleep(pause).await;
            }
        }
    })
}

async fn ask_postgres(
    url: &str,
    statements: &str,
    pause: Duration,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    for _ in 0..TIMES {
        client.batch_execute(statements).await?;
        tokio::time::sleep(pause).await;
    }
    drop(client);
    Ok(connection.await??)
}

async fn ask_mysql(url: &str, statements: &str, pause: Duration) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut session = Conn::new(Opts::from_url(url)?).await?;
    for _ in 0..TIMES {
        for statement in statements.split(';') {
            mysql::run(&mut session, statement).await?;
        }
        tokio::time::sleep(pause).await;
    }
    Ok(session.disconnect().await?)
}
