//! The parameters of a MySQL connection: of libpq's words those that have a meaning there.

use super::diagnostic::nearest;
use super::libpq;
use super::url::{Parts, Variable};
use std::path::Path;

/// What the engine is called in a URL, once it is read.
pub const SCHEME: &str = "mysql";
const PARAMS: [&str; 11] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];
const SSLMODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
/// Where it listens when nobody says otherwise: Debian's place, then the place of the source.
const SOCKETS: [&str; 2] = ["/run/mysqld/mysqld.sock", "/tmp/mysql.sock"];
pub const PORT: &str = "3306";

/// What was said, and the defaults for the rest. No database is one too: MySQL wants none to be connected.
pub fn complete(mut parts: Parts, variable: Variable<'_>) -> Result<Parts, String> {
    if let Some(name) = parts.keys().find(|name| !PARAMS.contains(&name.as_str())) {
        let hint = match nearest(name, PARAMS) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known: {}", PARAMS.join(", ")),
        };
        return Err(format!("`{name}` is not a parameter of a MySQL connection\n{hint}"));
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
    let socket = SOCKETS.iter().find(|path| Path::new(path).exists());
    parts.entry("host".into()).or_insert_with(|| socket.map_or("localhost", |path| path).to_owned());
    parts.entry("port".into()).or_insert_with(|| PORT.to_owned());
    parts.entry("user".into()).or_insert_with(|| libpq::login_name(variable));
    Ok(parts)
}
