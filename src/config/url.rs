//! Where a server is and who we are there: `postgres://…`, or libpq's `key=value` words. The password never
//! shows: not in Display, not in Debug, not in an error.

use super::password::{Secret, variable};
use super::words::{self, decode, encode, host_and_port};
use super::{Place, libpq, mysql};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Everything that was said, by libpq's names.
pub type Parts = BTreeMap<String, String>;
/// A variable of the environment, if it is set to something.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

#[derive(Clone, PartialEq)]
pub struct TargetUrl {
    scheme: String,
    /// At least one.
    places: Vec<Place>,
    user: String,
    password: Option<Secret>,
    kept_password: Option<Secret>,
    database: String,
    params: Parts,
    is_from_elsewhere: bool,
}

impl TargetUrl {
    /// Somebody else wrote it, so passwords that lie around here are not for his servers.
    pub fn is_from_elsewhere(&self) -> bool {
        self.is_from_elsewhere
    }
    pub fn scheme(&self) -> &str {
        &self.scheme
    }
    /// Where the server may be, in the order to try.
    pub fn places(&self) -> &[Place] {
        &self.places
    }
    /// Of the first place: a host name, an address, or the directory of a socket.
    pub fn host(&self) -> &str {
        self.places.first().map_or("", |place| &place.host)
    }
    pub fn port(&self) -> u16 {
        self.places.first().map_or(5432, |place| place.port)
    }
    pub fn user(&self) -> &str {
        &self.user
    }
    pub fn database(&self) -> &str {
        &self.database
    }
    /// As it was written here.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }
    /// As it stands in the file of services.
    pub fn kept_password(&self) -> Option<&Secret> {
        self.kept_password.as_ref()
    }
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }
    /// Set when the server is reached through a socket on this machine: MySQL's own path, PostgreSQL's directory.
    pub fn socket_directory(&self) -> Option<&Path> {
        self.places.first().and_then(Place::socket_directory)
    }

    /// What a target is called when the operator gives it no name.
    pub fn default_name(&self) -> String {
        self.places.iter().map(Place::name).collect::<Vec<_>>().join(",")
    }

    /// The whole URL with the password hidden.
    pub fn redacted(&self) -> String {
        let hidden = if self.password.is_some() { ":***" } else { "" };
        let places = self.places.iter().map(Place::in_url).collect::<Vec<_>>().join(",");
        let (user, database) = (encode(&self.user), encode(&self.database));
        let mut url = format!("{}://{user}{hidden}@{places}/{database}", self.scheme);
        for (nth, (name, value)) in self.params.iter().enumerate() {
            let sign = if nth == 0 { '?' } else { '&' };
            url.push_str(&format!("{sign}{name}={}", encode(value)));
        }
        url
    }

    fn of_url(text: &str) -> Result<Parts, String> {
        let (_, rest) = text.split_once("://").unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // The last @ decides: one within the password is a common slip. After a slash it could as well belong to
        // the database, and to guess could show a piece of the password.
        let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        if login.contains('/') {
            let said = "an @ after a / may belong to the password or to the database";
            return Err(format!("{said}\nwrite %40 for @ and %2F for / within them"));
        }
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = hosts_and_ports(hosts)?;
        let mut parts = Parts::new();
        for (name, value) in
            [("user", user), ("password", password), ("host", &host), ("port", &port), ("dbname", database)]
        {
            if !value.is_empty() {
                parts.insert(name.to_owned(), decode(value)?);
            }
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or("a parameter has no value\nwrite name=value after the ?")?;
            // As the drivers of Java have it.
            let (name, value) =
                if (name, value) == ("ssl", "true") { ("sslmode", "require") } else { (name, value) };
            parts.insert(decode(name)?, decode(value)?);
        }
        Ok(parts)
    }

    /// Reads a text in these surroundings.
    fn read(text: &str, variable: Variable<'_>) -> Result<Self, String> {
        let text = text.trim();
        let said = match text {
            url if url.contains("://") => {
                let parts = Self::of_url(url)?;
                if scheme_of(url)? == mysql::SCHEME {
                    return Self::of_mysql(mysql::complete(parts, variable)?);
                }
                parts
            }
            words if words.contains('=') => words::read(words)?,
            _ => {
                let said = "this does not say where the server is\nwrite postgres://user@host:5432/postgres";
                return Err(said.to_owned());
            }
        };
        let (mut parts, mut kept) = libpq::complete(said, variable)?;
        let mut take = |name: &str| parts.remove(name).filter(|text| !text.is_empty());
        let (host, address, port) = (take("host"), take("hostaddr"), take("port"));
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        Ok(Self {
            scheme: POSTGRES.to_owned(),
            places: Place::list(&text(&host), &text(&address), &text(&port))?,
            user: take("user").unwrap_or_else(|| libpq::login_name(variable)),
            password: take("password").map(Secret::new),
            kept_password: kept.remove("password").map(Secret::new),
            // We watch a server; this only says where to knock first.
            database: take("dbname").unwrap_or_else(|| "postgres".to_owned()),
            params: parts,
            is_from_elsewhere: false,
        })
    }
}

impl TargetUrl {
    fn of_mysql(mut parts: Parts) -> Result<Self, String> {
        let mut take = |name: &str| parts.remove(name).unwrap_or_default();
        let (user, password, database) = (take("user"), take("password"), take("dbname"));
        let places = Place::list(&take("host"), "", &take("port"))?;
        if places.len() > 1 {
            return Err("a MySQL target is one server\nwrite one [[target]] for each host".to_owned());
        }
        Ok(Self {
            scheme: mysql::SCHEME.to_owned(),
            places,
            user,
            password: Some(password).filter(|text| !text.is_empty()).map(Secret::new),
            kept_password: None,
            database,
            params: parts,
            is_from_elsewhere: false,
        })
    }
}

const POSTGRES: &str = "postgres";

/// One name for each engine, whatever its users call it.
fn scheme_of(url: &str) -> Result<&'static str, String> {
    match url.split_once("://").unwrap_or_default().0 {
        "postgres" | "postgresql" => Ok(POSTGRES),
        "mysql" | "mariadb" => Ok(mysql::SCHEME),
        // Whatever stands before the colon may be a user or a password: it is not repeated.
        _ => {
            let said = "this is not a kind of server that we know";
            Err(format!("{said}\nknown: postgres://, mysql://, mariadb://"))
        }
    }
}

/// The list of hosts and the list of ports of `h1:1,[::1],h3`, as the words would say it.
fn hosts_and_ports(text: &str) -> Result<(String, String), String> {
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for place in text.split(',') {
        let (host, port) = host_and_port(place)?;
        hosts.push(host);
        ports.push(port);
    }
    let is_given = ports.iter().any(|port| !port.is_empty());
    Ok((hosts.join(","), if is_given { ports.join(",") } else { String::new() }))
}

impl TargetUrl {
    /// As somebody else wrote it: our environment says nothing about his servers.
    pub fn from_elsewhere(text: &str) -> Result<Self, String> {
        Ok(Self { is_from_elsewhere: true, ..Self::read(text, &|_| None)? })
    }
}

impl FromStr for TargetUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text, &variable)
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for TargetUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

impl<'de> Deserialize<'de> for TargetUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for TargetUrl {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "TargetUrl".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "title": "postgres://user@host:port/database?name=value, mysql://user@host:port, or key=value words" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    /// Whatever the environment of the tests says.
    fn read(text: &str) -> Result<TargetUrl, String> {
        TargetUrl::read(text, &|_| None)
    }

    fn url(text: &str) -> TargetUrl {
        read(text).unwrap()
    }

    #[test]
    fn the_parts_of_a_url() {
        let url =
            url("postgresql://dbsonde:p%40ss%3Aw@db1:5433/orders?sslmode=verify-full&sslrootcert=/ca.pem");
        assert_eq!((url.scheme(), url.host(), url.port()), ("postgres", "db1", 5433));
        assert_eq!((url.user(), url.database()), ("dbsonde", "orders"));
        assert_eq!(url.password().unwrap().get().expose_secret(), "p@ss:w");
        assert_eq!((url.param("sslmode"), url.param("sslrootcert")), (Some("verify-full"), Some("/ca.pem")));
        assert_eq!(url.default_name(), "db1:5433");
    }

    #[test]
    fn sockets_addresses_and_what_is_left_out() {
        let socket = url("postgres://u@%2Fvar%2Frun%2Fpg/db");
        assert_eq!(socket.socket_directory(), Some(Path::new("/var/run/pg")));
        assert_eq!(socket.default_name(), "local");
        assert_eq!(url("postgres:///db?host=/run/pg&port=6000&user=u").default_name(), "local:6000");
        let bare = url("postgres://u@[::1]");
        assert_eq!((bare.host(), bare.port(), bare.database()), ("::1", 5432, "postgres"));
        assert_eq!(bare.redacted(), "postgres://u@[::1]:5432/postgres");
        // A password with an @ in it, never encoded.
        let slip = url("postgres://u:a@b@h/d");
        assert_eq!((slip.host(), slip.database()), ("h", "d"));
        assert_eq!(slip.password().unwrap().get().expose_secret(), "a@b");
    }

    #[test]
    fn mysql_and_mariadb_are_one_engine() {
        let bare = url("mariadb://sonde@db1");
        assert_eq!((bare.scheme(), bare.port(), bare.database()), ("mysql", 3306, ""));
        assert_eq!((bare.default_name(), bare.redacted()), ("db1".into(), "mysql://sonde@db1:3306/".into()));
        let socket = url("mysql://sonde@%2Frun%2Fmysqld%2Fmysqld.sock");
        assert_eq!(socket.socket_directory(), Some(Path::new("/run/mysqld/mysqld.sock")));
        assert_eq!(socket.default_name(), "local");
    }

    #[test]
    fn words_say_the_same_as_a_url() {
        let said =
            url("host=db1 port=5433 user='db sonde' password = 'it\\'s' dbname=orders sslmode=require");
        assert_eq!((said.host(), said.user(), said.database()), ("db1", "db sonde", "orders"));
        assert_eq!(said.password().unwrap().get().expose_secret(), "it's");
        assert_eq!(said.redacted(), "postgres://db%20sonde:***@db1:5433/orders?sslmode=require");
        assert_eq!(url(&said.redacted().replace(":***", ":it's")), said);
    }

    #[test]
    fn nothing_shows_the_password() {
        for text in
            ["postgres://u:hunter2@h/db", "host=h user=u password=hunter2", "postgres://u@h?password=hunter2"]
        {
            let url = url(text);
            for shown in
                [format!("{url}"), format!("{url:?}"), format!("{:?}", url.password()), url.redacted()]
            {
                assert!(!shown.contains("hunter2"), "{shown}");
            }
        }
        for text in [
            "oracle://u:hunter2@h/db",
            "u:hunter2@h",
            "postgres://u:hunter2@h:port/db",
            "postgres://u:hunter2@h/db?sslmod=require",
            "postgres://u:hunter2%zz@h/db",
            "host=h password='hunter2",
        ] {
            let error = read(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn mistakes_get_a_hint() {
        for (text, hint) in [
            ("postgres://u@h/db?sslmod=require", "did you mean `sslmode`"),
            ("postgres://u@h/db?sslmode=verify_full", "did you mean `verify-full`"),
            ("postgres://u@h/db?require_auth=scram", "known: none"),
            ("postgres://u@h/db?requirepeer=postgres", "not supported"),
            ("postgres://u:hun/ter2@h/db", "write %40"),
            ("postgres://u@h/db@home", "write %40"),
            ("host=h1,h2 port=1,2,3", "one for each host"),
            ("host=h1,h2 hostaddr=127.0.0.1", "one hostaddr for each host"),
            ("host=h options='-c a=b\\\\'", "backslash"),
            ("postgres://u@h/db?sslmode=require&sslrootcert=system", "too weak"),
            ("postgres://u@h/db?sslnegotiation=direct", "too weak"),
            ("postgres://u@::1/db", "brackets"),
            ("postgres://u@h:99999/db", "1 to 65535"),
            ("oracle://u@h/db", "known: postgres://, mysql://"),
            ("db1", "postgres://user@host"),
            ("host=h hots=h", "did you mean `host`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
