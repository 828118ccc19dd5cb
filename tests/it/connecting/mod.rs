//! Connecting as libpq does: the same strings, environment and files, to psql and to us, and what became of them.

mod mysql;
mod options;
mod pooler;
mod proxied;
mod secrets;
mod table;

use crate::rig::Dir;
use crate::rig::certificates::{Certificates, closed};
use crate::rig::daemon::dbsonde;
use crate::rig::postgres::{Server, any, versions};
use crate::rig::process::give;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use table::{Judged, ROWS, Row};

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    In { port: String, user: String, database: String, tls: bool },
    Out,
}

/// A primary and its standby with TLS, an old server without, and files of every kind.
struct Street {
    primary: Server,
    standby: Server,
    plain: Server,
    certificates: Certificates,
    home: Dir,
}

const RULES: &str = "local all all trust
hostssl all certain 127.0.0.1/32 cert
hostnossl all plainly 127.0.0.1/32 trust
hostssl all plainly 127.0.0.1/32 reject
hostssl all tlsonly 127.0.0.1/32 trust
host all reader 127.0.0.1/32 trust
host all postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
";
const ROLES: &str = "create role certain login; create role plainly login; create role tlsonly login;
create role reader login; alter role reader set default_transaction_read_only = on;
create role sonde login password 'sesame'; create role slip login password 'ses@me';
create role \"so nde\" login password 'p@ss:w/ord''\\'";

impl Street {
    async fn new() -> Street {
        let certificates = Certificates::new();
        let primary = Server::start(any(), &[]).await;
        primary.sql("postgres", ROLES).await;
        primary.sql("postgres", "create database \"o'r ders\"").await;
        let standby = primary.replica().await;
        let plain = Server::start(versions()[0], &[]).await;
        plain.sql("postgres", "create role sonde login password 'sesame'").await;
        for server in [&primary, &standby, &plain] {
            fs::write(server.data().join("pg_hba.conf"), RULES).unwrap();
            if server.port == plain.port {
                fs::write(server.data().join("pg_hba.conf"), RULES.replace("hostssl", "# hostssl")).unwrap();
            }
        }
        certificates.install("server", &primary.data());
        certificates.install("own", &standby.data());
        for server in [&primary, &standby] {
            fs::copy(certificates.path("ca.crt"), server.data().join("root.crt")).unwrap();
            give(&server.data());
        }
        let street = Street { primary, standby, plain, certificates, home: Dir::new() };
        for server in [&street.primary, &street.standby, &street.plain] {
            let tls = if server.port == street.plain.port { "off" } else { "on" };
            let roots = if tls == "on" { "ssl_ca_file = 'root.crt'\n" } else { "" };
            let settings =
                format!("ssl = {tls}\n{roots}log_connections = on\nlog_line_prefix = '%m [%p] '\n");
            let conf = server.data().join("postgresql.conf");
            fs::write(&conf, fs::read_to_string(&conf).unwrap() + &settings).unwrap();
            server.sql("postgres", "select pg_reload_conf()").await;
            let ready = format!(
                "select current_setting('ssl') = '{tls}' and current_setting('log_line_prefix') like '%m%'"
            );
            server.wait_for("postgres", &ready, Duration::from_secs(20)).await;
        }
        street
    }

    fn servers(&self) -> [&Server; 3] {
        [&self.primary, &self.standby, &self.plain]
    }

    /// Puts the places into a text of the table.
    fn fill(&self, text: &str) -> String {
        let socket = self.primary.socket_dir().display().to_string();
        let encoded = socket.replace('/', "%2F");
        let certificates = self.certificates.path("").display().to_string();
        let home = self.home.path().display().to_string();
        text.replace("{p}", &self.primary.port.to_string())
            .replace("{s}", &self.standby.port.to_string())
            .replace("{n}", &self.plain.port.to_string())
            .replace("{socket}", &socket)
            .replace("{socket%}", &encoded)
            .replace("{crt}", certificates.trim_end_matches('/'))
            .replace("{home}", &home)
    }

    /// The files of a row, closed to others but for those whose name says otherwise.
    fn lay_out(&self, row: &Row) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for (name, text) in row.files {
            let path = self.home.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("copy of ") {
                Some(from) => drop(fs::copy(self.certificates.path(from), &path).unwrap()),
                None => fs::write(&path, self.fill(text)).unwrap(),
            }
            if !name.contains("open") {
                closed(&path);
            } else {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            }
            paths.push(path);
        }
        paths
    }

    fn environment(&self, row: &Row) -> Vec<(String, String)> {
        let mut all = vec![("HOME".to_owned(), self.home.path().display().to_string())];
        all.extend(row.env.iter().map(|(name, value)| ((*name).to_owned(), self.fill(value))));
        all
    }

    fn psql(&self, row: &Row) -> Outcome {
        let question = "select current_setting('port'), current_user, current_database(),
            coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)";
        let mut command = Command::new(psql());
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(self.environment(row));
        if let Some(libpq) = newest_libpq() {
            command.env("LD_LIBRARY_PATH", libpq);
        }
        let said = self.fill(row.said);
        let done =
            command.args(["-X", "-w", "-At", "-F", "\t", "-d", &said, "-c", question]).output().unwrap();
        if !done.status.success() {
            return Outcome::Out;
        }
        let text = String::from_utf8(done.stdout).unwrap();
        let fields: Vec<&str> = text.trim_end().split('\t').collect();
        let [port, user, database, tls] = fields[..] else { panic!("psql said {text:?}") };
        Outcome::In { port: port.into(), user: user.into(), database: database.into(), tls: tls == "t" }
    }

    /// By the log of whichever server let us in last.
    async fn ours(&self, row: &Row) -> (Outcome, String) {
        let before = self.servers().map(|server| server.log().len());
        let url = serde_json::to_string(&self.fill(row.said)).unwrap();
        let file = self.home.join("dbsonde.toml");
        fs::write(&file, format!("[[target]]\nname = \"street\"\nurl = {url}\n")).unwrap();
        let environment = self.environment(row);
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let done = dbsonde(&["check-targets", file.to_str().unwrap()], &environment).await;
        let said = format!("{}{}", done.stdout, done.stderr);
        for secret in ["sesame", "p@ss:w", "p%40ss"] {
            assert!(!said.contains(secret), "{}: {said}", row.said);
        }
        if done.code != 0 {
            return (Outcome::Out, said);
        }
        let lines = self.servers().into_iter().zip(before).flat_map(|(server, before)| {
            let log = server.log()[before..].to_owned();
            let ours = log.lines().filter(|line| line.contains("connection authorized: ")).map(str::to_owned);
            ours.map(|line| (line, server.port)).collect::<Vec<_>>()
        });
        let (line, port) =
            lines.max().unwrap_or_else(|| panic!("{}: nobody let us in, but: {said}", row.said));
        let between = |from: &str, to: &str| {
            let rest = line.split_once(from).map(|(_, rest)| rest).unwrap_or_default();
            let end = if to.is_empty() { None } else { rest.find(to) };
            rest[..end.unwrap_or(rest.len())].to_owned()
        };
        let tls = line.contains(" SSL enabled");
        let after = if line.contains(" application_name=") {
            " application_name="
        } else if tls {
            " SSL"
        } else {
            ""
        };
        let outcome = Outcome::In {
            port: port.to_string(),
            user: between("user=", " database="),
            database: between("database=", after),
            tls,
        };
        (outcome, said)
    }
}

/// The program itself: what Debian calls psql is a script that sets hosts and ports of its own.
fn psql() -> PathBuf {
    let programs = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut programs: Vec<_> =
        programs.map(|entry| entry.path().join("bin/psql")).filter(|path| path.exists()).collect();
    programs.sort_by_key(|path| path.to_string_lossy().split('/').nth(4).and_then(|v| v.parse::<u32>().ok()));
    programs.pop().unwrap_or_else(|| "psql".into())
}

/// psql of the distribution knows less than ours; libraries of a newer version serve it as well.
fn newest_libpq() -> Option<PathBuf> {
    let of = |version: &u32| crate::rig::root().join(format!("postgres-{version}/native/lib"));
    [18, 17].iter().map(of).find(|dir| dir.join("libpq.so.5").exists())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_string_does_what_it_does_in_psql() {
    assert!(ROWS.len() >= 60);
    let street = Street::new().await;
    let mut wrong = Vec::new();
    for row in ROWS {
        let files = street.lay_out(row);
        let psql = street.psql(row);
        let (ours, said) = street.ours(row).await;
        for file in files {
            fs::remove_file(file).unwrap();
        }
        let is_right = match row.judged {
            Judged::In => psql == ours && psql != Outcome::Out,
            Judged::Out => psql == ours && psql == Outcome::Out,
            Judged::Otherwise(_) => psql != ours,
        };
        if !is_right {
            wrong.push(format!("{} {:?}\n  psql: {psql:?}\n  ours: {ours:?}\n  {said}", row.said, row.env));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ROWS.len(), wrong.join("\n"));
}
