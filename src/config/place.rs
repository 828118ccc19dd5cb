//! The servers that one target may be found at: libpq's lists of hosts, addresses and ports, side by side.

use super::words::encode;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// Each host may take a whole `connect_timeout`, and a visit ends after a minute.
const MAX_PLACES: usize = 16;
/// Where PostgreSQL listens when nobody says otherwise: Debian's place, then the place of the source.
pub const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// One place to knock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A host name, an address, or the directory of a socket. Certificates and passwords are looked up by it.
    pub host: String,
    /// Where to connect instead of asking the name service for `host`.
    pub address: Option<IpAddr>,
    pub port: u16,
}

impl Place {
    /// Set when the server is reached through a socket on this machine.
    pub fn socket_directory(&self) -> Option<&Path> {
        (self.address.is_none() && self.host.starts_with('/')).then(|| Path::new(&self.host))
    }

    /// As it stands in a URL.
    pub fn in_url(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", encode(&self.host), self.port),
        }
    }

    /// What it is called when the operator gives it no name.
    pub fn name(&self) -> String {
        match (self.socket_directory(), self.port) {
            (Some(_), 5432 | 3306) => "local".to_owned(),
            (Some(_), port) => format!("local:{port}"),
            (None, 5432 | 3306) => self.host.clone(),
            (None, port) => format!("{}:{port}", self.host),
        }
    }

    /// The lists belong together by position. One port serves all hosts; what is left empty is the default.
    pub fn list(hosts: &str, addresses: &str, ports: &str) -> Result<Vec<Place>, String> {
        let split = |text: &str| text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>();
        let (hosts, addresses, ports) = (split(hosts), split(addresses), split(ports));
        let is_given = |list: &[String]| list.iter().any(|item| !item.is_empty());
        let count = if is_given(&addresses) { addresses.len() } else { hosts.len() };
        if is_given(&addresses) && is_given(&hosts) && hosts.len() != count {
            return Err(format!(
                "{} hosts and {count} addresses do not pair\ngive one hostaddr for each host",
                hosts.len()
            ));
        }
        if ports.len() != 1 && ports.len() != count {
            return Err(format!(
                "{} ports and {count} hosts do not pair\ngive one port, or one for each host",
                ports.len()
            ));
        }
        if count > MAX_PLACES {
            return Err(format!(
                "there are more than {MAX_PLACES} hosts\na target is one server, wherever it is just now"
            ));
        }
        let nth = |list: &[String], nth: usize| list.get(nth).cloned().unwrap_or_default();
        (0..count)
            .map(|n| {
                let port = port(&if ports.len() == 1 { nth(&ports, 0) } else { nth(&ports, n) })?;
                let address: Option<IpAddr> = match nth(&addresses, n) {
                    none if none.is_empty() => None,
                    text => Some(
                        text.parse().map_err(|_| "hostaddr is not an IP address\nwrite a name as host")?,
                    ),
                };
                let host = match (nth(&hosts, n), address) {
                    (host, _) if !host.is_empty() => host,
                    (_, Some(address)) => address.to_string(),
                    (_, None) => usual_host(port),
                };
                Ok(Place { host, address, port })
            })
            .collect()
    }
}

fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        _ if text.is_empty() => Ok(5432),
        Ok(0) | Err(_) => Err("the port is not a number from 1 to 65535".to_owned()),
        Ok(port) => Ok(port),
    }
}

fn usual_host(port: u16) -> String {
    let there = |directory: &&str| Path::new(directory).join(format!(".s.PGSQL.{port}")).exists();
    SOCKETS.into_iter().find(there).unwrap_or("localhost").to_owned()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket_directory() {
            Some(directory) => write!(f, "{}/.s.PGSQL.{}", directory.display(), self.port),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}
