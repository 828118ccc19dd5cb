//! A private PgBouncer before a server.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::postgres::Server;
use super::process::{Process, command, give};
use super::{Dir, free_port, root};

#[derive(Debug)]
pub struct Pgbouncer {
    pub port: u16,
    process: Process,
    dir: Dir,
}

/// Where it is installed, if it is.
pub fn program() -> Option<PathBuf> {
    let own = root().join("pgbouncer/usr/sbin/pgbouncer");
    [own, PathBuf::from("/usr/sbin/pgbouncer")].into_iter().find(|path| path.exists())
}

impl Pgbouncer {
    /// `mode` is its pool_mode, `more` further settings. Everybody may be `postgres`.
    pub async fn start(server: &Server, mode: &str, more: &str) -> Pgbouncer {
        let dir = Dir::new();
        let port = free_port();
        fs::write(dir.join("users"), "\"postgres\" \"\"\n").expect("a file of users");
        let settings = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} dbname=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\n{more}\n",
            server.port,
            dir.join("users").display()
        );
        fs::write(dir.join("pgbouncer.ini"), settings).expect("settings");
        give(dir.path());
        let mut command = command(&program().expect("pgbouncer is installed: run tests/rig/install.sh"));
        let libraries = format!("pgbouncer/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        command.env("LD_LIBRARY_PATH", root().join(libraries)).arg(dir.join("pgbouncer.ini"));
        let process = Process::spawn(command, &dir.join("log"));
        let bouncer = Pgbouncer { port, process, dir };
        let end = Instant::now() + Duration::from_secs(20);
        while server.connect_url(&bouncer.url()).await.is_err() {
            assert!(
                Instant::now() < end,
                "{}",
                fs::read_to_string(bouncer.dir.join("log")).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bouncer
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        self.process.end("INT", Duration::from_secs(5));
    }
}
