//! Option files of MySQL's and MariaDB's own programs, `my.cnf` and its kin, read as they read them.

use super::password::{NoPassword, Secret, check_file, why};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Written by hand; whatever is larger is not one.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// As deep as files may bring in others: the programs themselves have this limit.
const MAX_DEPTH: usize = 10;
/// Files that one directory brings in at most.
const MAX_FILES: usize = 100;
/// The groups that are for every client, and one of our own.
const GROUPS: [&str; 4] = ["client", "client-server", "client-mariadb", "dbsonde"];

/// Options by their names with dashes; the last word counts.
pub type Options = BTreeMap<String, String>;

/// What a file says to us: to every client, to dbsonde, and in the group that was asked for.
pub fn read(path: &Path, group: Option<&str>) -> Result<Options, String> {
    let mut options = Options::new();
    // Whatever the case of its letters.
    let is_ours =
        |name: &str| GROUPS.iter().copied().chain(group).any(|ours| ours.eq_ignore_ascii_case(name));
    read_into(&mut options, path, &is_ours, 0).map_err(|said| format!("defaults_file: {said}"))?;
    if options.contains_key("password") {
        // A secret is in it, so it is kept like one.
        check_file(path).map_err(|error| format!("defaults_file: {}\n{}", error.what, error.mend))?;
    }
    Ok(options)
}

/// The password alone, anew at each connect.
pub fn password(path: &Path, group: Option<&str>) -> Result<Option<Secret>, NoPassword> {
    let options = read(path, group).map_err(|said| {
        let (what, mend) = said.split_once('\n').unwrap_or((&said, "correct the file"));
        NoPassword { what: what.to_owned(), mend: mend.to_owned() }
    })?;
    Ok(options.get("password").filter(|text| !text.is_empty()).cloned().map(Secret::new))
}

fn read_into(
    options: &mut Options,
    path: &Path,
    is_ours: &impl Fn(&str) -> bool,
    depth: usize,
) -> Result<(), String> {
    let shown = path.display();
    let about = fs::metadata(path);
    let about = about
        .map_err(|error| format!("cannot read {shown}: {}\ncorrect the path, or its rights", why(&error)))?;
    if !about.is_file() || about.len() > MAX_FILE_BYTES {
        return Err(format!("{shown} is not a file of options\nname a file like ~/.my.cnf"));
    }
    let text = fs::read(path);
    let text = text.map_err(|error| format!("cannot read {shown}: {}\ngive it to dbsonde", why(&error)))?;
    let mut ours = false;
    for (nth, line) in String::from_utf8_lossy(&text).lines().enumerate() {
        match Line::read(line) {
            Line::Nothing => {}
            Line::Group(name) => ours = is_ours(name),
            Line::Include(file) if depth < MAX_DEPTH => read_into(options, file, is_ours, depth + 1)?,
            Line::IncludeAll(directory) if depth < MAX_DEPTH => {
                for file in option_files(directory) {
                    read_into(options, &file, is_ours, depth + 1)?;
                }
            }
            Line::Include(_) | Line::IncludeAll(_) => {
                return Err(format!("{shown} brings itself in\ntake the !include out"));
            }
            Line::Option(name, value) if ours => drop(options.insert(name, value)),
            Line::Option(..) => {}
            // What stands there may be half a password: it is not told.
            Line::Broken => return Err(format!("line {} of {shown} is no [group]\ncorrect it", nth + 1)),
        }
    }
    Ok(())
}

/// The files of a directory that count: those that end in `.cnf`.
fn option_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "cnf")).collect();
    files.sort_unstable();
    files.truncate(MAX_FILES);
    files
}

#[derive(Debug, PartialEq)]
enum Line<'a> {
    Nothing,
    Group(&'a str),
    Include(&'a Path),
    IncludeAll(&'a Path),
    Option(String, String),
    Broken,
}

impl Line<'_> {
    fn read(line: &str) -> Line<'_> {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return Line::Nothing;
        }
        if let Some(rest) = line.strip_prefix('!') {
            let (word, place) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            return match word {
                "include" => Line::Include(Path::new(place.trim())),
                "includedir" => Line::IncludeAll(Path::new(place.trim())),
                _ => Line::Nothing,
            };
        }
        if let Some(rest) = line.strip_prefix('[') {
            return rest.split_once(']').map_or(Line::Broken, |(name, _)| Line::Group(name.trim()));
        }
        let line = without_comment(line);
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim(), unquoted(value.trim())),
            // A word alone switches on.
            None => (line.trim(), String::new()),
        };
        let name = name.to_ascii_lowercase().replace('_', "-");
        Line::Option(name.strip_prefix("loose-").unwrap_or(&name).to_owned(), value)
    }
}

/// A # ends the line, but not within quotes.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut escaped) = (None, false);
    for (at, sign) in line.char_indices() {
        match sign {
            '\'' | '"' if !escaped && quote.is_none() => quote = Some(sign),
            '\'' | '"' if !escaped && quote == Some(sign) => quote = None,
            '#' if quote.is_none() => return line.get(..at).unwrap_or_default(),
            _ => {}
        }
        escaped = quote.is_some() && sign == '\\' && !escaped;
    }
    line
}

/// A value without the quotes around it, its escapes resolved.
fn unquoted(value: &str) -> String {
    let inner = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let mut out = String::with_capacity(value.len());
    let mut signs = inner.unwrap_or(value).chars();
    while let Some(sign) = signs.next() {
        if sign != '\\' {
            out.push(sign);
            continue;
        }
        match signs.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('s') => out.push(' '),
            Some(same @ ('"' | '\'' | '\\')) => out.push(same),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(line: &str) -> (String, String) {
        match Line::read(line) {
            Line::Option(name, value) => (name, value),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn mangled_lines() {
        let corpus: [&[u8]; 3] =
            [b"password = 'a#b'  # the old one", b"[client]", b"!includedir /etc/my.cnf.d"];
        crate::fuzz::fuzz("option files", &corpus, |bytes| drop(Line::read(&String::from_utf8_lossy(bytes))));
    }

    #[test]
    fn a_hash_ends_the_line_but_not_in_quotes() {
        for (line, value) in [
            ("password=a#b", "a"),
            ("password = 'a#b'  # the old one", "a#b"),
            ("password=\"a#b\"", "a#b"),
            ("password=\"it's #1\"", "it's #1"),
            ("password='a\\'#b'", "a'#b"),
            ("password=a\\sb\\\\c\\qd", "a b\\c\\qd"),
            ("password = a=b", "a=b"),
            ("loose_password", ""),
        ] {
            assert_eq!(option(line), ("password".to_owned(), value.to_owned()), "{line}");
        }
        assert_eq!(option("ssl_verify_server_cert").0, "ssl-verify-server-cert");
        assert_eq!(Line::read("; words"), Line::Nothing);
        assert_eq!(Line::read("[client"), Line::Broken);
        assert_eq!(
            Line::read("!includedir /etc/mysql/conf.d/"),
            Line::IncludeAll(Path::new("/etc/mysql/conf.d/"))
        );
    }
}
