//! Where a server is and who we are there: `postgres://…`, or libpq's `key=value` words. The password never
//! shows: not in Display, not in Debug, not in an error.

use super::diagnostic::nearest;
use super::password::Secret;
use super::words::{self, decode, encode, host_and_port};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// What may follow the `?`, and what may stand in `key=value` words.
const PARAMS: [&str; 9] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "password",
    "port",
    "sslmode",
    "sslrootcert",
    "user",
];
/// libpq has these; we do not, and to ignore them could mean less safety than was asked for.
const NOT_HERE: [&str; 20] = [
    "channel_binding",
    "client_encoding",
    "gssencmode",
    "hostaddr",
    "keepalives",
    "krbsrvname",
    "load_balance_hosts",
    "options",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "service",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslnegotiation",
    "sslpassword",
    "target_session_attrs",
];
const SSLMODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
/// Where PostgreSQL listens when nobody says otherwise: Debian's place, then the place of the source.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

#[derive(Clone, PartialEq)]
pub struct TargetUrl {
    scheme: String,
    host: String,
    port: u16,
    user: String,
    password: Option<Secret>,
    database: String,
    params: BTreeMap<String, String>,
}

impl TargetUrl {
    pub fn scheme(&self) -> &str {
        &self.scheme
    }
    /// A host name, an address, or the directory of a socket.
    pub fn host(&self) -> &str {
        &self.host
    }
    pub fn port(&self) -> u16 {
        self.port
    }
    pub fn user(&self) -> &str {
        &self.user
    }
    pub fn database(&self) -> &str {
        &self.database
    }
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }
    /// Set when the server is reached through a socket on this machine.
    pub fn socket_directory(&self) -> Option<&Path> {
        self.host.starts_with('/').then(|| Path::new(&self.host))
    }

    /// What a target is called when the operator gives it no name.
    pub fn default_name(&self) -> String {
        match (self.socket_directory(), self.port) {
            (Some(_), 5432) => "local".to_owned(),
            (Some(_), port) => format!("local:{port}"),
            (None, 5432) => self.host.clone(),
            (None, port) => format!("{}:{port}", self.host),
        }
    }

    /// The whole URL with the password hidden.
    pub fn redacted(&self) -> String {
        let hidden = if self.password.is_some() { ":***" } else { "" };
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => encode(&self.host),
        };
        let mut url = format!(
            "{}://{}{hidden}@{host}:{}/{}",
            self.scheme,
            encode(&self.user),
            self.port,
            encode(&self.database)
        );
        for (nth, (name, value)) in self.params.iter().enumerate() {
            let sign = if nth == 0 { '?' } else { '&' };
            url.push_str(&format!("{sign}{name}={}", encode(value)));
        }
        url
    }

    fn of_url(text: &str) -> Result<Parts, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        if !matches!(scheme, "postgres" | "postgresql") {
            // Whatever stands before the colon may be a user or a password: it is not repeated.
            return Err("this is not a kind of server that we know\nknown: postgres://".to_owned());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // An unencoded slash belongs to the path, but one within the password is a common slip: the last @ decides.
        let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        let (host, port) = host_and_port(hosts)?;
        let mut parts = Parts::new();
        for (name, value) in [("user", user), ("host", host), ("port", port), ("dbname", database)] {
            if !value.is_empty() {
                parts.insert(name.to_owned(), decode(value)?);
            }
        }
        if let Some(password) = password.filter(|text| !text.is_empty()) {
            parts.insert("password".to_owned(), decode(password)?);
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or("a parameter has no value\nwrite name=value after the ?")?;
            parts.insert(decode(name)?, decode(value)?);
        }
        Ok(parts)
    }

    fn of_parts(mut parts: Parts) -> Result<Self, String> {
        for name in parts.keys() {
            if NOT_HERE.contains(&name.as_str()) {
                return Err(format!("`{name}` is not supported\nleave it out; known: {}", PARAMS.join(", ")));
            }
            if !PARAMS.contains(&name.as_str()) {
                let hint = match nearest(name, PARAMS) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("known: {}", PARAMS.join(", ")),
                };
                return Err(format!("`{name}` is not a parameter of a connection\n{hint}"));
            }
        }
        let password = parts.remove("password").filter(|text| !text.is_empty()).map(Secret::new);
        let host = parts.remove("host").filter(|host| !host.is_empty()).unwrap_or_else(default_host);
        let port = parts.remove("port").unwrap_or_else(|| "5432".to_owned());
        if host.contains(',') || port.contains(',') {
            return Err("a target is one server\nwrite one [[target]] for each host".to_owned());
        }
        let port = match port.parse() {
            Ok(0) | Err(_) => return Err("the port is not a number from 1 to 65535".to_owned()),
            Ok(port) => port,
        };
        if let Some(mode) = parts.get("sslmode")
            && !SSLMODES.contains(&mode.as_str())
        {
            let hint = match nearest(mode, SSLMODES) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known: {}", SSLMODES.join(", ")),
            };
            return Err(format!("`{mode}` is not an sslmode\n{hint}"));
        }
        if parts.get("connect_timeout").is_some_and(|seconds| seconds.parse::<u32>().is_err()) {
            return Err("connect_timeout is not a whole number of seconds".to_owned());
        }
        Ok(Self {
            scheme: "postgres".to_owned(),
            host,
            port,
            user: parts.remove("user").unwrap_or_else(super::password::login_name),
            password,
            // We watch a server; this only says where to knock first.
            database: parts.remove("dbname").unwrap_or_else(|| "postgres".to_owned()),
            params: parts,
        })
    }
}

/// Everything that was said, by libpq's names.
type Parts = BTreeMap<String, String>;

impl FromStr for TargetUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.contains("://") {
            Self::of_parts(Self::of_url(text)?)
        } else if text.contains('=') {
            Self::of_parts(words::read(text)?)
        } else {
            Err("this does not say where the server is\nwrite postgres://user@host:5432/postgres".to_owned())
        }
    }
}

fn default_host() -> String {
    let found = SOCKETS.iter().find(|directory| Path::new(directory).join(".s.PGSQL.5432").exists());
    found.map_or("localhost", |directory| directory).to_owned()
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
        json_schema!({ "type": "string", "title": "postgres://user@host:port/database?name=value, or key=value words" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn url(text: &str) -> TargetUrl {
        text.parse().unwrap()
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
        // A password with an @ and a slash in it, never encoded.
        let slip = url("postgres://u:a@b/c@h/d");
        assert_eq!((slip.host(), slip.database()), ("h", "d"));
        assert_eq!(slip.password().unwrap().get().expose_secret(), "a@b/c");
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
            "mysql://u:hunter2@h/db",
            "u:hunter2@h",
            "postgres://u:hunter2@h:port/db",
            "postgres://u:hunter2@h/db?sslmod=require",
            "postgres://u:hunter2%zz@h/db",
            "host=h password='hunter2",
        ] {
            let error = text.parse::<TargetUrl>().unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn mistakes_get_a_hint() {
        for (text, hint) in [
            ("postgres://u@h/db?sslmod=require", "did you mean `sslmode`"),
            ("postgres://u@h/db?sslmode=verify_full", "did you mean `verify-full`"),
            ("postgres://u@h/db?target_session_attrs=any", "not supported"),
            ("postgres://u@h1,h2/db", "one [[target]] for each host"),
            ("postgres://u@h1:1,h2:2/db", "one [[target]] for each host"),
            ("postgres://u@::1/db", "brackets"),
            ("postgres://u@h:99999/db", "1 to 65535"),
            ("mysql://u@h/db", "known: postgres://"),
            ("db1", "postgres://user@host"),
            ("host=h hots=h", "did you mean `host`"),
        ] {
            let error = text.parse::<TargetUrl>().unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
