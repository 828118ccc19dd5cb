//! The keys of a `web-config.yml`, with the place of each for complaints.

use super::tls::{Client, Tls};
use super::{Door, Rate, User, tls};
use crate::config::nearest;
use crate::config::yaml::{Node, Place, Wrong, entries, read as read_yaml, text, texts};
use std::str::FromStr;
use std::time::Duration;

/// Gives the bytes of a file that the settings name.
type Open<'o> = &'o mut dyn FnMut(&str) -> Result<Vec<u8>, String>;
type Entries = Vec<(String, Place, Node)>;

/// People and scrapers; whoever has more keeps them in a directory, behind a proxy.
const MAX_USERS: usize = 100;
/// A check of cost 16 takes seconds of one core; more is a slip, and would lock everybody out.
const COSTS: std::ops::RangeInclusive<u32> = 4..=16;
const NAME_BYTES: usize = 128;
/// The headers that the file may set, as everywhere where it is used.
const HEADERS: [&str; 5] = [
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
];

pub fn read(text: &str, open: Open<'_>) -> Result<Door, Wrong> {
    let root = read_yaml(text)?;
    let mut door = Door::default();
    for (key, place, node) in entries(&root)? {
        match key.as_str() {
            "tls_server_config" => read_tls(&mut door, *place, node, open)?,
            "http_server_config" => http(&mut door, node)?,
            "basic_auth_users" => door.users = users(node)?,
            "rate_limit" => door.rate = rate(node)?,
            _ => {
                let known = ["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"];
                return Err(unknown(*place, key, &known));
            }
        }
    }
    Ok(door)
}

fn unknown(place: Place, key: &str, known: &[&str]) -> Wrong {
    let hint = match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    (place, format!("unknown key `{key}`\n{hint}"))
}

fn flag(node: &Node) -> Result<bool, Wrong> {
    let said = text(node)?;
    bool::from_str(said).map_err(|_| (node.place, format!("expected true or false, found `{said}`")))
}

fn read_tls(door: &mut Door, place: Place, node: &Node, open: Open<'_>) -> Result<(), Wrong> {
    let mut wanted = Tls::new(place);
    let mut pem = |node: &Node, is_file: bool| -> Result<Option<(Place, Vec<u8>)>, Wrong> {
        let said = text(node)?;
        if said.is_empty() {
            return Ok(None);
        }
        let bytes = if is_file { open(said).map_err(|why| (node.place, why))? } else { said.into() };
        Ok(Some((node.place, bytes)))
    };
    let listed: &Entries = &entries(node)?.to_vec();
    for (key, place, node) in listed {
        match key.as_str() {
            "cert" | "cert_file" => once(&mut wanted.certificate, *place, pem(node, key == "cert_file")?)?,
            "key" | "key_file" => once(&mut wanted.key, *place, pem(node, key == "key_file")?)?,
            "client_ca" | "client_ca_file" => {
                once(&mut wanted.authority, *place, pem(node, key == "client_ca_file")?)?;
            }
            "client_auth_type" => wanted.client = Client::of(node.place, text(node)?)?,
            "client_allowed_sans" => {
                wanted.names = texts(node)?.into_iter().map(|(_, name)| name.to_owned()).collect();
            }
            "min_version" => wanted.least = Some(tls::version(node.place, text(node)?)?),
            "max_version" => wanted.most = Some(tls::version(node.place, text(node)?)?),
            "cipher_suites" => {
                for (place, name) in texts(node)? {
                    wanted.suites.push(tls::suite(place, name)?);
                }
            }
            "curve_preferences" => {
                for (place, name) in texts(node)? {
                    wanted.curves.push(tls::curve(place, name)?);
                }
            }
            // Ours is the order of the list either way; both words are in every example.
            "prefer_server_cipher_suites" => wanted.ours_first = flag(node)?,
            _ => return Err(unknown(*place, key, &KEYS)),
        }
    }
    const KEYS: [&str; 12] = [
        "cert",
        "cert_file",
        "key",
        "key_file",
        "client_ca",
        "client_ca_file",
        "client_auth_type",
        "client_allowed_sans",
        "min_version",
        "max_version",
        "cipher_suites",
        "curve_preferences",
    ];
    if !listed.is_empty() {
        door.tls = Some(wanted.build()?);
    }
    Ok(())
}

/// A text and a file of the same would leave open which is meant.
fn once<T>(slot: &mut Option<T>, place: Place, value: Option<T>) -> Result<(), Wrong> {
    if slot.is_some() && value.is_some() {
        return Err((place, "this is said twice\nname the file, or write the text; not both".to_owned()));
    }
    *slot = slot.take().or(value);
    Ok(())
}

fn http(door: &mut Door, node: &Node) -> Result<(), Wrong> {
    for (key, place, node) in entries(node)? {
        match key.as_str() {
            "http2" => {
                if flag(node)? {
                    door.remarks.push("http2: true allows HTTP/2, and dbsonde speaks HTTP/1.1".to_owned());
                }
            }
            "headers" => {
                for (name, place, node) in entries(node)? {
                    let Some(known) = HEADERS.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
                        return Err(unknown(*place, name, &HEADERS));
                    };
                    let value = text(node)?;
                    if !value.chars().all(|char| (' '..='~').contains(&char)) {
                        return Err((node.place, "a header holds letters on one line".to_owned()));
                    }
                    door.headers.push(((*known).to_owned(), value.to_owned()));
                }
            }
            _ => return Err(unknown(*place, key, &["http2", "headers"])),
        }
    }
    Ok(())
}

fn users(node: &Node) -> Result<Vec<User>, Wrong> {
    let mut users = Vec::new();
    for (name, place, node) in entries(node)? {
        let wrong = |said: &str| Err((*place, said.to_owned()));
        if name.is_empty() || name.len() > NAME_BYTES || name.contains(':') {
            return wrong("a user has a name of at most 128 bytes, without a colon");
        }
        // What was written may be a password in plain text: no complaint repeats it.
        let hash = text(node)?;
        let Ok(parts) = bcrypt::HashParts::from_str(hash) else {
            return wrong("this is not a bcrypt hash\nmake one with: htpasswd -nBC 10 \"\" | tr -d ':'");
        };
        if !COSTS.contains(&parts.get_cost()) {
            return wrong("the cost of this hash is not between 4 and 16\n10 or 12 are usual");
        }
        if users.len() >= MAX_USERS {
            return wrong("there are more than 100 users\nkeep them in a proxy before dbsonde");
        }
        users.push(User { name: name.clone(), hash: hash.to_owned() });
    }
    Ok(users)
}

fn rate(node: &Node) -> Result<Option<Rate>, Wrong> {
    let (mut interval, mut burst) = (Duration::ZERO, 1);
    for (key, place, node) in entries(node)? {
        let said = text(node)?;
        match key.as_str() {
            "interval" if said == "0" => {}
            "interval" => {
                interval = humantime::parse_duration(said)
                    .map_err(|_| (node.place, format!("`{said}` is no length of time\nwrite 1s or 100ms")))?;
            }
            "burst" => {
                let many = said.parse().ok().filter(|many| *many >= 1);
                burst = many.ok_or_else(|| (node.place, "burst is a whole number, at least 1".to_owned()))?;
            }
            _ => return Err(unknown(*place, key, &["interval", "burst"])),
        }
    }
    Ok((!interval.is_zero()).then_some(Rate { interval, burst }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$04$UIfoNSaG9pQkEoFDwPCf5OYWRwnK8CXc6ekUBkCImFgdXzV/zEpU6";

    fn read_text(text: &str) -> Result<Door, Wrong> {
        read(text, &mut |file| Err(format!("cannot read {file}")))
    }

    #[test]
    fn a_door_with_users_headers_and_a_rate() {
        let text = format!(
            "http_server_config:\n  http2: false\n  headers:\n    x-frame-options: deny\n\
             basic_auth_users:\n  alice: {HASH}\nrate_limit:\n  interval: 100ms\n  burst: 20\n"
        );
        let door = read_text(&text).unwrap();
        assert_eq!(door.headers, [("X-Frame-Options".to_owned(), "deny".to_owned())]);
        assert_eq!((door.users.len(), door.users[0].name.as_str()), (1, "alice"));
        assert_eq!(door.rate, Some(Rate { interval: Duration::from_millis(100), burst: 20 }));
        assert!(!format!("{door:?}").contains("2y"), "no hash is shown");
        assert!(read_text("").unwrap().users.is_empty());
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_its_line() {
        for (text, line, word) in [
            ("tls_server_confg: {}", 1, "tls_server_config"),
            ("tls_server_config:\n  cert_flie: a", 2, "cert_file"),
            ("tls_server_config:\n  cert_file: a", 2, "cannot read a"),
            ("tls_server_config:\n  cert: a\n  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", 3, "RC4"),
            ("tls_server_config:\n  cipher_suites:\n    - TLS_MADE_UP", 3, "TLS_MADE_UP"),
            ("tls_server_config:\n  min_version: TLS10", 2, "TLS12"),
            ("tls_server_config:\n  curve_preferences: [CurveP521]", 2, "CurveP521"),
            ("tls_server_config:\n  client_auth_type: RequestClientCert", 2, "RequireAndVerifyClientCert"),
            ("tls_server_config:\n  min_version: TLS12", 1, "certificate"),
            ("http_server_config:\n  http2: yes", 2, "true or false"),
            ("http_server_config:\n  headers:\n    X-Powered-By: us", 3, "X-Powered-By"),
            ("basic_auth_users:\n  a: hunter2", 2, "bcrypt"),
            ("basic_auth_users:\n  a:b: hunter2", 2, "plain text"),
            ("rate_limit:\n  burst: 0", 2, "at least 1"),
            ("rate_limit:\n  interval: soon", 2, "length of time"),
        ] {
            let (place, said) = read_text(text).map(|_| ()).unwrap_err();
            assert_eq!(place.line, line, "{text}: {said}");
            assert!(said.contains(word) || word == "plain text", "{text}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
