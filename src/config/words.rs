//! How places are spelled: libpq's `key=value` words (`host=db1 user='db sonde'`), the encoding of URLs, and
//! `host:port`.

use std::collections::BTreeMap;

/// Quotes keep blanks together; a backslash takes the next character as it is.
pub fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut words = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        // The text before a missing = may be a piece of a password: it is not repeated.
        let (name, after) = rest.split_once('=').ok_or("a word has no =\nwrite host=db1 user=dbsonde")?;
        let (value, after) = value(after.trim_start())?;
        words.insert(name.trim().to_owned(), value);
        rest = after.trim_start();
    }
    Ok(words)
}

fn value(text: &str) -> Result<(String, &str), String> {
    let quoted = text.starts_with('\'');
    let mut chars = text.strip_prefix('\'').unwrap_or(text).chars();
    let mut value = String::new();
    loop {
        let here = chars.as_str();
        match chars.next() {
            Some('\\') => value.extend(chars.next()),
            Some('\'') if quoted => return Ok((value, chars.as_str())),
            None if quoted => return Err("a quote is never closed".to_owned()),
            Some(blank) if !quoted && blank.is_whitespace() => return Ok((value, here)),
            None => return Ok((value, here)),
            Some(other) => value.push(other),
        }
    }
}

pub fn host_and_port(text: &str) -> Result<(&str, &str), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or("the [ of the address is never closed")?;
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("what stands in [ ] is not an IPv6 address".to_owned());
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((address, port)),
            None if rest.is_empty() => Ok((address, "")),
            None => Err("only a port may follow the ] of an address".to_owned()),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') && !port.contains(',') => {
            Err("an IPv6 address needs brackets\nwrite [::1]:5432".to_owned())
        }
        Some(parts) => Ok(parts),
        None => Ok((text, "")),
    }
}

pub fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|hex| char::from(hex).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) if (high, low) != (0, 0) => bytes.push((high * 16 + low) as u8),
            _ => return Err("a % is not followed by two hex digits\nwrite %25 for a percent sign".to_owned()),
        }
    }
    String::from_utf8(bytes).map_err(|_| "the encoded characters are not UTF-8".to_owned())
}

pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
