//! Named sets of parameters: pg_service.conf, read as libpq reads it.

use super::password::why;
use super::url::{Parts, Variable};
use std::fs;
use std::path::{Path, PathBuf};

/// Written by hand; whatever is larger is not one.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What the service says, from the user's own file or else the machine's.
pub fn read(service: &str, file: Option<&str>, variable: Variable<'_>) -> Result<Parts, String> {
    let mut named = file.map(PathBuf::from).or_else(|| variable("PGSERVICEFILE").map(PathBuf::from));
    if let Some(path) = &named
        && !path.exists()
    {
        return Err(format!("service: there is no file {}\ncorrect the path", path.display()));
    }
    if named.is_none() {
        named = variable("HOME").map(|home| Path::new(&home).join(".pg_service.conf"));
    }
    let machine = variable("PGSYSCONFDIR").unwrap_or_else(|| "/etc/postgresql-common".to_owned());
    for path in named.into_iter().chain([Path::new(&machine).join("pg_service.conf")]) {
        if let Some(found) = of_file(&path, service)? {
            return Ok(found);
        }
    }
    Err(format!("the service `{service}` is in no pg_service.conf\nadd [{service}] to ~/.pg_service.conf"))
}

fn of_file(path: &Path, service: &str) -> Result<Option<Parts>, String> {
    let Ok(about) = fs::metadata(path) else { return Ok(None) };
    let unreadable = |what: String| {
        format!("service: cannot read {}: {what}\nsee that it is a file of text", path.display())
    };
    if !about.is_file() {
        return Err(unreadable("it is not a file".to_owned()));
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(unreadable("it is larger than 1 MiB".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(why(&error)))?;
    find(&text, service)
        .map_err(|line| format!("service: line {line} of {} is not name=value\ncorrect it", path.display()))
}

/// The section of a service, or the number of a line that libpq would refuse. Lines hold passwords: none is told.
fn find(text: &str, service: &str) -> Result<Option<Parts>, usize> {
    let mut found: Option<Parts> = None;
    for (nth, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let is_it = section.strip_prefix(service).is_some_and(|rest| rest.starts_with(']'));
            found = is_it.then(Parts::new);
        } else if let Some(parts) = &mut found {
            // A service within a service is refused, as there is no end to it.
            let (name, value) = line.split_once('=').filter(|(name, _)| *name != "service").ok_or(nth + 1)?;
            parts.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_what_stands_between_its_name_and_the_next() {
        let text = "# all\n[other]\nhost=no\n\n[orders]\n  host=db1 \nport=5433\npassword= a=b\nhost=second\n[last]\n";
        let parts = find(text, "orders").unwrap().unwrap();
        let said: Vec<_> = parts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(said, [("host", "db1"), ("password", " a=b"), ("port", "5433")]);
        assert_eq!(find(text, "order"), Ok(None));
        assert_eq!(find("[a]\nnonsense\n", "a"), Err(2));
        assert_eq!(find("[a]\nservice=b\n", "a"), Err(2));
    }
}
