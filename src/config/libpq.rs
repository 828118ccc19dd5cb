//! The parameters of a PostgreSQL connection, as libpq means them: what was said, then the service, then the
//! environment, then the default.

use super::diagnostic::nearest;
use super::url::{Parts, Variable};
use super::{password, service};
use std::path::Path;

/// What we honour, with the variable of the environment that stands in for it.
const HONOURED: [(&str, &str); 31] = [
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("fallback_application_name", ""),
    ("gssencmode", "PGGSSENCMODE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("keepalives", ""),
    ("keepalives_count", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("options", "PGOPTIONS"),
    ("passfile", "PGPASSFILE"),
    ("password", ""),
    ("port", "PGPORT"),
    ("require_auth", "PGREQUIREAUTH"),
    ("service", "PGSERVICE"),
    ("servicefile", ""),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslsni", "PGSSLSNI"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("tcp_user_timeout", ""),
    ("user", "PGUSER"),
];
/// What changes nothing here: our own choice is as safe, or libpq ignores it as well.
const WITHOUT_EFFECT: [&str; 6] =
    ["client_encoding", "gssdelegation", "gsslib", "krbsrvname", "max_protocol_version", "sslcompression"];
/// libpq has these; we do not, and to ignore them could mean less safety than was asked for. The environment may
/// ask for them too.
const NOT_HERE: [(&str, &str); 14] = [
    ("min_protocol_version", "PGMINPROTOCOLVERSION"),
    ("oauth_client_id", ""),
    ("oauth_client_secret", ""),
    ("oauth_issuer", ""),
    ("oauth_scope", ""),
    ("replication", ""),
    ("requirepeer", "PGREQUIREPEER"),
    ("scram_client_key", ""),
    ("scram_server_key", ""),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("sslkeylogfile", ""),
    ("sslpassword", ""),
];
/// Words that a parameter may have.
const WORDS: [(&str, &[&str]); 9] = [
    ("channel_binding", &["disable", "prefer", "require"]),
    ("gssencmode", &["disable", "prefer"]),
    ("load_balance_hosts", &["disable", "random"]),
    ("ssl_max_protocol_version", &["TLSv1.2", "TLSv1.3"]),
    ("ssl_min_protocol_version", &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]),
    ("sslmode", &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
    ("sslnegotiation", &["postgres", "direct"]),
    ("sslsni", &["0", "1"]),
    ("target_session_attrs", &["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]),
];
const NUMBERS: [&str; 6] = [
    "connect_timeout",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "tcp_user_timeout",
];

/// Fills in what was not said, and refuses what makes no sense or would not be kept.
pub fn complete(said: Parts, variable: Variable<'_>) -> Result<(Parts, Parts), String> {
    known(&said)?;
    let mut parts = said;
    let service = parts.get("service").cloned().or_else(|| variable("PGSERVICE"));
    let mut kept = Parts::new();
    if let Some(service) = service {
        kept = service::read(&service, parts.get("servicefile").map(String::as_str), variable)?;
        known(&kept)?;
    }
    for (name, value) in &kept {
        // Its password has a place of its own: it was not said where others may read it.
        if name != "password" {
            parts.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    for (name, stands_in) in HONOURED.iter().chain(&NOT_HERE).filter(|(_, stands_in)| !stands_in.is_empty()) {
        if !parts.contains_key(*name)
            && let Some(value) = variable(stands_in)
        {
            parts.insert((*name).to_owned(), value);
        }
    }
    parts.retain(|name, value| !value.is_empty() || name == "passfile");
    known(&parts)?;
    files(&mut parts, variable);
    together(&parts)?;
    Ok((parts, kept))
}

fn known(parts: &Parts) -> Result<(), String> {
    let names = HONOURED.map(|(name, _)| name);
    for (name, value) in parts {
        if NOT_HERE.iter().any(|(not_here, _)| not_here == name) {
            return Err(format!("`{name}` is not supported\nleave it out; known: {}", names.join(", ")));
        }
        let about = WORDS.iter().find(|(word, _)| word == name);
        if about.is_none() && !names.contains(&name.as_str()) && !WITHOUT_EFFECT.contains(&name.as_str()) {
            let hint = match nearest(name, names) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known: {}", names.join(", ")),
            };
            return Err(format!("`{name}` is not a parameter of a connection\n{hint}"));
        }
        if let Some((_, words)) = about
            && !value.is_empty()
            && !words.contains(&value.as_str())
        {
            let hint = match nearest(value, words.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known: {}", words.join(", ")),
            };
            return Err(format!("`{value}` is not a value of {name}\n{hint}"));
        }
        if NUMBERS.contains(&name.as_str()) && !value.is_empty() && value.trim().parse::<i32>().is_err() {
            return Err(format!("{name} is not a whole number"));
        }
    }
    Ok(())
}

/// The files that libpq finds by itself, if they are there.
fn files(parts: &mut Parts, variable: Variable<'_>) {
    let Some(home) = variable("HOME") else { return };
    for (name, file) in
        [("sslrootcert", "root.crt"), ("sslcert", "postgresql.crt"), ("sslkey", "postgresql.key")]
    {
        let path = Path::new(&home).join(".postgresql").join(file);
        let is_wanted = name != "sslkey" || parts.contains_key("sslcert");
        if is_wanted && !parts.contains_key(name) && path.is_file() {
            parts.insert(name.to_owned(), path.display().to_string());
        }
    }
}

/// The ways to prove who we are that dbsonde knows, wanted or with a `!` unwanted.
fn proofs(said: &str) -> Result<(), String> {
    const KNOWN: [&str; 4] = ["none", "password", "md5", "scram-sha-256"];
    let is_negated = |word: &str| word.starts_with('!');
    let words: Vec<&str> = said.split(',').map(str::trim).collect();
    if words.iter().any(|word| is_negated(word)) && !words.iter().all(|word| is_negated(word)) {
        return Err("require_auth says both what is wanted and what is not\nwrite one kind".to_owned());
    }
    match words.iter().find(|word| !KNOWN.contains(&word.trim_start_matches('!'))) {
        // What we never do need not be forbidden.
        Some(word) if matches!(*word, "!gss" | "!sspi" | "!oauth") => Ok(()),
        Some(word) => Err(format!("`{word}` is not a proof for require_auth\nknown: {}", KNOWN.join(", "))),
        None => Ok(()),
    }
}

/// What fits only together with something else.
fn together(parts: &Parts) -> Result<(), String> {
    let of = |name: &str| parts.get(name).map(String::as_str);
    if let Some(said) = of("require_auth") {
        proofs(said)?;
    }
    let system = of("sslrootcert") == Some("system");
    let mode = of("sslmode").unwrap_or(if system { "verify-full" } else { "prefer" });
    if system && mode != "verify-full" {
        return Err(format!("sslmode={mode} is too weak for sslrootcert=system\nwrite sslmode=verify-full"));
    }
    if of("sslnegotiation") == Some("direct") && matches!(mode, "disable" | "allow" | "prefer") {
        return Err(format!(
            "sslmode={mode} is too weak for sslnegotiation=direct\nwrite sslmode=require or more"
        ));
    }
    if mode == "verify-full" && of("host").is_none_or(str::is_empty) && of("hostaddr").is_some() {
        return Err(
            "sslmode=verify-full needs the name that the certificate is for\ngive host beside hostaddr"
                .to_owned(),
        );
    }
    if of("ssl_min_protocol_version") == Some("TLSv1.3") && of("ssl_max_protocol_version") == Some("TLSv1.2")
    {
        return Err("ssl_min_protocol_version is above ssl_max_protocol_version".to_owned());
    }
    // It would take our own limits for its argument.
    let slashes = of("options").map_or(0, |options| options.chars().rev().take_while(|c| *c == '\\').count());
    if slashes % 2 == 1 {
        return Err("options end in a backslash\nwrite two for one".to_owned());
    }
    Ok(())
}

/// Who we are when nobody says: as libpq, the name of the process's user.
pub fn login_name(variable: Variable<'_>) -> String {
    password::system_user().or_else(|| variable("USER")).unwrap_or_else(|| "postgres".to_owned())
}
