//! Whose SQL a fix is written in.

use crate::sql::Dialect;

/// The servers that speak a language of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flavour {
    #[default]
    Postgres,
    Mysql,
    Mariadb,
}

impl Flavour {
    pub const ALL: [Flavour; 3] = [Flavour::Postgres, Flavour::Mysql, Flavour::Mariadb];

    /// By the name of the engine and the version that its server tells.
    pub fn of(engine: &str, version: &str) -> Flavour {
        match engine {
            "mysql" if version.to_ascii_lowercase().contains("mariadb") => Flavour::Mariadb,
            "mysql" => Flavour::Mysql,
            _ => Flavour::Postgres,
        }
    }

    /// How its statements are read.
    pub fn dialect(self) -> Dialect {
        match self {
            Flavour::Postgres => Dialect::Postgres,
            Flavour::Mysql | Flavour::Mariadb => Dialect::MYSQL,
        }
    }
}

#[test]
fn a_server_tells_by_its_version_what_it_is() {
    assert_eq!(Flavour::of("mysql", "11.8.9-MariaDB-0+deb13u1"), Flavour::Mariadb);
    assert_eq!(Flavour::of("mysql", "9.7.4-2"), Flavour::Mysql);
    assert_eq!(Flavour::of("postgres", "18.4"), Flavour::Postgres);
}
