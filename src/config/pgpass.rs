//! libpq's file of passwords: `host:port:database:user:password`, one a line.

use super::password::{MAX_FILE_BYTES, NoPassword, unreadable};
use super::place::SOCKETS;
use super::{Place, Secret, TargetUrl};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub fn read(path: &Path, url: &TargetUrl, place: &Place) -> Result<Option<Secret>, NoPassword> {
    let Ok(about) = fs::metadata(path) else { return Ok(None) };
    if !about.is_file() || about.len() > MAX_FILE_BYTES {
        return Ok(None);
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    match find(&text, url, place) {
        // libpq overlooks an open file; a login that then fails for no visible reason helps nobody.
        Some(_) if about.mode() & 0o077 != 0 => Err(NoPassword {
            what: format!("{} can be read by others", path.display()),
            mend: format!("chmod 600 {}", path.display()),
        }),
        found => Ok(found.map(Secret::new)),
    }
}

/// The first line whose four fields fit.
fn find(text: &str, url: &TargetUrl, place: &Place) -> Option<String> {
    // libpq calls the usual socket `localhost`.
    let host = if SOCKETS.contains(&place.host.as_str()) { "localhost" } else { &place.host };
    let port = place.port.to_string();
    let wanted = [host, &port, url.database(), url.user()];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, place) = fields.split_last()?;
        let fits = |(field, wanted): (&Field, &str)| field.is_any() || field.text == wanted;
        (place.len() == 4 && place.iter().zip(wanted).all(fits)).then(|| password.text.clone())
    })
}

#[derive(Default)]
struct Field {
    text: String,
    has_escapes: bool,
}

impl Field {
    /// An escaped star is a star.
    fn is_any(&self) -> bool {
        self.text == "*" && !self.has_escapes
    }
}

/// Five fields between colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<Field> {
    let mut fields = vec![Field::default()];
    let mut chars = line.trim_end_matches('\r').chars();
    while let Some(char) = chars.next() {
        if char == ':' {
            // What follows the fifth field is nobody's.
            if fields.len() == 5 {
                break;
            }
            fields.push(Field::default());
            continue;
        }
        let Some(field) = fields.last_mut() else { continue };
        field.has_escapes |= char == '\\';
        // A backslash at the very end stands for itself.
        let next = if char == '\\' { chars.next() } else { None };
        field.text.push(next.unwrap_or(char));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_password_file() {
        let text = "# comment:1:2:3:4\n\
                    other:5432:*:dbsonde:no\n\
                    db\\:1:5432:*:dbsonde:colon\n\
                    ::1:*:*:*:broken\n\
                    \\::\\::1:*:*:*:too many\n\
                    db1:5433:orders:dbsonde:p\\:a\\\\ss:word\n\
                    \\*:*:*:dbsonde:only a star\n\
                    localhost:*:*:*:socket\n\
                    short:1\n\
                    *:*:*:last:\n";
        let of = |url: &str| {
            let url: TargetUrl = url.parse().unwrap();
            find(text, &url, &url.places()[0])
        };
        assert_eq!(of("postgres://dbsonde@db1:5433/orders").as_deref(), Some("p:a\\ss"));
        assert_eq!(of("postgres://dbsonde@db1:5433/shop"), None);
        assert_eq!(of("postgres://x@%2Fvar%2Frun%2Fpostgresql/x").as_deref(), Some("socket"));
        assert_eq!(of("postgres://x@%2Fmy%2Fsockets/x"), None);
        assert_eq!(of("host='db:1' user=dbsonde port=5432").as_deref(), Some("colon"));
        assert_eq!(of("host=* user=dbsonde").as_deref(), Some("only a star"));
        assert_eq!(of("postgres://last@anywhere").as_deref(), Some(""));
    }
}
