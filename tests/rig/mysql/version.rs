//! Where each version lies, and how its first data directory is made.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::rig::process::{self, give};
use crate::rig::root;

/// The versions that can be had, oldest first in each flavour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    MySql56,
    MySql97,
    MariaDb105,
    MariaDb1011,
    MariaDb118,
}

use Version::{MariaDb105, MariaDb118, MariaDb1011, MySql56, MySql97};

/// Those that are installed; a test that loops over them says by this what it leaves out.
pub fn versions() -> Vec<Version> {
    let all = [MySql56, MySql97, MariaDb105, MariaDb1011, MariaDb118];
    let (here, missing): (Vec<_>, Vec<_>) = all.into_iter().partition(|v| v.program().exists());
    for version in missing {
        println!("skip: {version} is not installed");
    }
    here
}

/// The newest MySQL and the newest MariaDB: what a story is told on.
pub fn flavours() -> [Version; 2] {
    [MySql97, MariaDb118]
}

impl Version {
    pub fn is_mariadb(self) -> bool {
        !matches!(self, MySql56 | MySql97)
    }

    fn home(self) -> PathBuf {
        root().join(self.to_string())
    }

    fn program(self) -> PathBuf {
        self.home().join(match self {
            MySql56 => "server/mysqld",
            MySql97 | MariaDb105 => "usr/sbin/mysqld",
            MariaDb1011 | MariaDb118 => "usr/sbin/mariadbd",
        })
    }

    /// Where its messages, character sets and the SQL of its system tables lie.
    fn share(self) -> PathBuf {
        self.home().join(match self {
            MySql56 => "server/share",
            MariaDb118 => "usr/share/mariadb",
            _ => "usr/share/mysql",
        })
    }

    /// Its server program; nothing of the machine's own is read.
    pub(super) fn command(self) -> Command {
        let program = self.program();
        assert!(program.exists(), "{self} is not installed: run tests/rig/install.sh");
        let mut command = process::command(&program);
        if self == MySql56 {
            command.env("LD_LIBRARY_PATH", self.home().join("server"));
        }
        // A machine far from Greenwich: what a server tells in the time of its machine must not be taken for ours. (MariaDB
        // writes its logs in that time as well, and they do not say which it is.)
        if self == MySql97 {
            command.env("TZ", "EST5");
        }
        command
    }

    /// Another program of its package, with the loader and the libraries that start its server.
    pub fn tool(self, name: &str) -> Command {
        let starter = fs::read_to_string(self.program()).expect("a script that starts the server");
        let program = self.home().join("usr/bin").join(name).display().to_string();
        let mut command = Command::new("sh");
        command.arg("-c").arg(starter.replace("$0.elf", &program)).arg(name);
        command
    }

    /// What makes it a node of a cluster, where its package brings that.
    pub fn galera(self) -> Option<PathBuf> {
        Some(self.home().join("usr/lib/galera/libgalera_smm.so")).filter(|library| library.exists())
    }

    /// The settings without which it does not find itself.
    pub(super) fn places(self) -> Vec<(&'static str, String)> {
        let show = |path: PathBuf| path.display().to_string();
        let base = if self == MySql56 { "server" } else { "usr" };
        let plugins = if self == MySql56 { "server/lib/plugin" } else { "usr/lib/mysql/plugin" };
        vec![
            ("basedir", show(self.home().join(base))),
            ("lc_messages_dir", show(self.share())),
            ("character_sets_dir", show(self.share().join("charsets"))),
            ("plugin_dir", show(self.home().join(plugins))),
        ]
    }

    /// A data directory with its system tables.
    pub(super) fn initialise(self, data: &Path, letters: Option<&str>) {
        let mut command = self.command();
        command.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
        for (name, value) in self.places() {
            command.arg(format!("--{}={value}", name.replace('_', "-")));
        }
        if self == MySql97 {
            // `secure-file-priv`: it ends when the package's directory is missing.
            command.args(["--initialize-insecure", "--secure-file-priv="]).args(letters);
            let done = command.output().expect("mysqld");
            assert!(done.status.success(), "{self}: {}", String::from_utf8_lossy(&done.stderr));
            return;
        }
        for dir in ["mysql", "test"] {
            fs::create_dir_all(data.join(dir)).expect("a data directory");
        }
        give(data);
        command.arg("--bootstrap").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        if self.is_mariadb() {
            command.args(["--log-warnings=0", "--enforce-storage-engine="]);
        }
        let mut child = command.spawn().expect("mysqld");
        let mut script = "create database if not exists mysql;\nuse mysql;\n".to_owned();
        // `root` may come over the network as well.
        script += "set @auth_root_socket=null;\n";
        let names: &[&str] = match self {
            MySql56 => &["mysql_system_tables", "mysql_system_tables_data"],
            MariaDb118 => &[
                "mariadb_system_tables",
                "mariadb_performance_tables",
                "mariadb_system_tables_data",
                "mariadb_sys_schema",
            ],
            _ => &[
                "mysql_system_tables",
                "mysql_performance_tables",
                "mysql_system_tables_data",
                "mysql_sys_schema",
            ],
        };
        for name in names {
            // 10.5 has no sys schema.
            if let Ok(sql) = fs::read_to_string(self.share().join(format!("{name}.sql"))) {
                script += &sql;
            }
        }
        // Nobody without a name.
        script += if self == MySql56 { "delete from mysql.user where user='';\n" } else { "" };
        child.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("the bootstrap reads");
        let done = child.wait_with_output().expect("mysqld");
        assert!(done.status.success(), "{self}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MySql56 => "mysql-5.6",
            MySql97 => "mysql-9.7",
            MariaDb105 => "mariadb-10.5",
            MariaDb1011 => "mariadb-10.11",
            MariaDb118 => "mariadb-11.8",
        })
    }
}
