//! The parameters of a MySQL connection: of libpq's words those that have a meaning there, MySQL's own names for
//! them, and what an option file says.

use super::diagnostic::nearest;
use super::libpq;
use super::option_file::{self, Options};
use super::url::{Parts, Variable};
use std::path::Path;

/// What the engine is called in a URL, once it is read.
pub const SCHEME: &str = "mysql";
const PARAMS: [&str; 13] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "defaults_file",
    "defaults_group",
    "host",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];
/// Names of MySQL's own programs for the same.
const ALIASES: [(&str, &str); 7] = [
    ("database", "dbname"),
    ("ssl-ca", "sslrootcert"),
    ("ssl-cert", "sslcert"),
    ("ssl-key", "sslkey"),
    ("ssl-mode", "sslmode"),
    ("defaults-file", "defaults_file"),
    ("defaults-group", "defaults_group"),
];
/// MySQL's names of how far the server is believed.
const MODES: [(&str, &str); 5] = [
    ("disabled", "disable"),
    ("preferred", "prefer"),
    ("required", "require"),
    ("verify_ca", "verify-ca"),
    ("verify_identity", "verify-full"),
];
const SSLMODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
/// Where it listens when nobody says otherwise: Debian's place, then the place of the source.
const SOCKETS: [&str; 2] = ["/run/mysqld/mysqld.sock", "/tmp/mysql.sock"];
pub const PORT: &str = "3306";

/// What was said, and the defaults for the rest. No database is one too: MySQL wants none to be connected.
pub fn complete(said: Parts, variable: Variable<'_>) -> Result<Parts, String> {
    let mut parts = translated(said);
    if let Some(name) = parts.keys().find(|name| !PARAMS.contains(&name.as_str())) {
        let hint = match nearest(name, PARAMS) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known: {}", PARAMS.join(", ")),
        };
        return Err(format!("`{name}` is not a parameter of a MySQL connection\n{hint}"));
    }
    if let Some(file) = parts.get("defaults_file").cloned() {
        let kept = option_file::read(Path::new(&file), parts.get("defaults_group").map(String::as_str))?;
        of_options(&mut parts, &kept);
    }
    if let Some(mode) = parts.get("sslmode").filter(|mode| !SSLMODES.contains(&mode.as_str())) {
        let hint = match nearest(mode, SSLMODES) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known: {}", SSLMODES.join(", ")),
        };
        return Err(format!("`{mode}` is not an sslmode\n{hint}"));
    }
    if parts.get("connect_timeout").is_some_and(|seconds| seconds.parse::<u32>().is_err()) {
        return Err("connect_timeout is not a whole number of seconds".to_owned());
    }
    // Who names an authority wants it asked: MySQL's programs warn, MariaDB's ask it.
    if parts.contains_key("sslrootcert") {
        parts.entry("sslmode".into()).or_insert_with(|| "verify-ca".to_owned());
    }
    let socket = SOCKETS.iter().find(|path| Path::new(path).exists());
    parts.entry("host".into()).or_insert_with(|| socket.map_or("localhost", |path| path).to_owned());
    parts.entry("port".into()).or_insert_with(|| PORT.to_owned());
    parts.entry("user".into()).or_insert_with(|| libpq::login_name(variable));
    Ok(parts)
}

/// One name for each thing, and one word for each mode.
fn translated(said: Parts) -> Parts {
    let one_name = |name: String| {
        let dashed = name.replace('_', "-");
        let alias = ALIASES.iter().find(|(alias, _)| *alias == dashed);
        alias.map_or(name, |(_, ours)| (*ours).to_owned())
    };
    let mut parts: Parts = said.into_iter().map(|(name, value)| (one_name(name), value)).collect();
    if let Some(mode) = parts.get_mut("sslmode")
        && let Some((_, ours)) = MODES.iter().find(|(theirs, _)| mode.eq_ignore_ascii_case(theirs))
    {
        *mode = (*ours).to_owned();
    }
    parts
}

/// What the file says and the URL does not. Its password stays where it is: it is read anew at each connect.
fn of_options(parts: &mut Parts, options: &Options) {
    let is_on =
        |name: &str| options.get(name).is_some_and(|value| !matches!(value.as_str(), "0" | "off" | "OFF"));
    let mut kept = Parts::new();
    for name in ["user", "port", "connect-timeout", "database", "ssl-ca", "ssl-cert", "ssl-key", "ssl-mode"] {
        if let Some(value) = options.get(name).filter(|value| !value.is_empty()) {
            kept.insert(
                if name == "connect-timeout" { "connect_timeout" } else { name }.to_owned(),
                value.clone(),
            );
        }
    }
    // To these programs localhost is the socket, unless they are told the protocol.
    let by_network = options.get("protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("tcp"));
    let host = options.get("host").filter(|host| !host.is_empty());
    let is_here = !by_network && host.is_none_or(|host| host == "localhost");
    match (options.get("socket").filter(|socket| is_here && !socket.is_empty()), host) {
        (Some(socket), _) => drop(kept.insert("host".to_owned(), socket.clone())),
        (None, Some(host)) if !is_here => drop(kept.insert("host".to_owned(), host.clone())),
        _ => {}
    }
    // MariaDB's words for it.
    let mode = match () {
        () if is_on("ssl-verify-server-cert") => Some("verify-full"),
        () if is_on("skip-ssl") || options.get("ssl").is_some_and(|_| !is_on("ssl")) => Some("disable"),
        () if options.contains_key("ssl") => Some("require"),
        () => None,
    };
    if let Some(mode) = mode {
        kept.entry("ssl-mode".to_owned()).or_insert_with(|| mode.to_owned());
    }
    for (name, value) in translated(kept) {
        parts.entry(name).or_insert(value);
    }
}
