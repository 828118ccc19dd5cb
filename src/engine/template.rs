//! The SQL of a collector, for every version and flavour of a server at once.
//!
//! A file says in its head what it reads (`-- from: s = pg_stat_wal`) and what it cannot do without
//! (`-- needs: pg_stat_checkpointer`). A line that ends in `--?` is dropped where one of its columns does not
//! exist. Versions are never compared: what is there is asked for, what is not there is left out.

use std::collections::{HashMap, HashSet};

/// How the lack of a thing that this server never had ends: it is neither gap nor zero.
const ABSENT: &str = "does not exist on this server";

/// A relation or function of the server, as probing found it.
#[derive(Debug, Clone, Default)]
pub struct Object {
    pub columns: HashSet<String>,
    pub readable: bool,
    /// It is there and readable, but the server does not fill it, and how to make it.
    pub off: Option<String>,
}

/// What probing found: objects by name, functions as `name()`.
pub type Catalogue = HashMap<String, Object>;

#[derive(Debug)]
pub struct Template {
    lines: Vec<Line>,
    from: Vec<(&'static str, String)>,
    /// Sources whose lines are left out where they are missing.
    maybe: Vec<(&'static str, String)>,
    needs: Vec<Need>,
    /// Of an answer of names and values: which name becomes which field.
    fields: Vec<(&'static str, &'static str)>,
}

#[derive(Debug)]
struct Line {
    text: &'static str,
    /// `None` for a line that always stands.
    only_with: Option<Vec<Need>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Need {
    Object(String),
    Column(&'static str, &'static str),
}

impl Template {
    pub fn parse(text: &'static str) -> Template {
        let sources = |head: &'static str| {
            let named = text.lines().filter_map(move |line| line.strip_prefix(head)?.split_once('='));
            named.map(|(alias, object)| (alias.trim(), object_name(object))).collect::<Vec<_>>()
        };
        let (from, maybe) = (sources("-- from:"), sources("-- maybe:"));
        let declared = [&from[..], &maybe].concat();
        let fields = text.lines().filter_map(|line| line.strip_prefix("-- field:")?.split_once(" as "));
        let fields = fields.map(|(name, alias)| (name.trim(), alias.trim().trim_matches('"'))).collect();
        let (mut needs, mut body) = (Vec::new(), Vec::new());
        for line in text.lines() {
            if let Some(wanted) = line.strip_prefix("-- needs:") {
                needs.extend(explicit(wanted, &declared));
            } else if !line.trim_start().starts_with("-- ") {
                // Remarks are for our reader, not for the server's.
                body.push(line.split_once("   -- ").map_or(line, |(code, _)| code));
            }
        }
        let lines = body.into_iter().map(|line| Line::parse(line, &declared)).collect();
        Template { lines, from, maybe, needs, fields }
    }

    /// Every object that must be probed before this can be rendered.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        let optional = self.lines.iter().filter_map(|line| line.only_with.as_deref()).flatten();
        let named = self.needs.iter().chain(optional).filter_map(|need| match need {
            Need::Object(name) => Some(name.as_str()),
            Need::Column(..) => None,
        });
        self.from.iter().chain(&self.maybe).map(|(_, object)| object.as_str()).chain(named)
    }

    /// The SQL for a server with this catalogue, or what it lacks. `fill` says what stands for a `{name}`, and for
    /// the tag by which we know our own statements.
    pub fn render(&self, catalogue: &Catalogue, fill: &[(&str, &str)]) -> Result<String, String> {
        let from = self.from.iter().map(|(_, object)| Need::Object(object.clone()));
        for need in from.chain(self.needs.iter().cloned()) {
            if let Some(lack) = self.lacking(&need, catalogue) {
                return Err(lack);
            }
        }
        let stands = |line: &&Line| {
            let needs = line.only_with.as_deref().unwrap_or_default();
            needs.iter().all(|need| self.lacking(need, catalogue).is_none())
        };
        let lines: Vec<&str> = self.lines.iter().filter(stands).map(|line| line.text).collect();
        let fields: Vec<String> = self.fields.iter().map(|(name, _)| format!("'{name}'")).collect();
        let sql = lines.join("\n").replace("{fields}", &fields.join(", "));
        Ok(fill.iter().fold(sql, |sql, (name, value)| sql.replace(name, value)))
    }

    fn lacking(&self, need: &Need, catalogue: &Catalogue) -> Option<String> {
        match need {
            Need::Object(name) => match catalogue.get(name) {
                None => Some(absent(name)),
                Some(object) if !object.readable => Some(format!("no right to read {name}")),
                Some(object) => object.off.as_ref().map(|why| format!("{name} is not filled: {why}")),
            },
            Need::Column(alias, column) => {
                let object = self.from.iter().chain(&self.maybe).find(|(a, _)| a == alias);
                let object = object.and_then(|(_, object)| catalogue.get(object));
                let there = object.is_some_and(|object| object.readable && object.columns.contains(*column));
                (!there).then(|| absent(&format!("{alias}.{column}")))
            }
        }
    }
}

impl Line {
    fn parse(line: &'static str, from: &[(&'static str, String)]) -> Line {
        let Some((text, wanted)) = line.split_once("--?") else {
            return Line { text: line, only_with: None };
        };
        let mut needs = explicit(wanted, from);
        if needs.is_empty() {
            needs = columns_in(text, from);
        }
        Line { text: text.trim_end(), only_with: Some(needs) }
    }
}

/// SQL as this server can run it.
#[derive(Debug, Clone)]
pub struct Runs {
    pub sql: String,
    /// Which names of an answer of names and values become which fields; empty for an answer of rows.
    pub fields: Vec<(&'static str, &'static str)>,
}

/// The first of several variants that the server can run, or the lack that tells most.
pub fn first_that_runs(
    variants: &[Template],
    catalogue: &Catalogue,
    fill: &[(&str, &str)],
) -> Result<Runs, String> {
    let mut lack = String::new();
    for variant in variants {
        match variant.render(catalogue, fill) {
            Ok(sql) => return Ok(Runs { sql, fields: variant.fields.clone() }),
            // A missing right says more than a missing view of another version.
            Err(why) if lack.is_empty() || is_absent(&lack) => lack = why,
            Err(_) => {}
        }
    }
    Err(lack)
}

/// Says of a thing that the server never had it.
pub fn absent(what: &str) -> String {
    format!("{what} {ABSENT}")
}

/// Is this what a server never had, not something that somebody could mend?
pub fn is_absent(lack: &str) -> bool {
    lack.ends_with(ABSENT)
}

/// `pg_stat_statements(boolean)` → `pg_stat_statements()`; a relation keeps its name.
fn object_name(text: &str) -> String {
    let text = text.trim();
    let text = text.strip_prefix("{pgss}.").or(text.strip_prefix("pg_catalog.")).unwrap_or(text);
    match text.split_once('(') {
        Some((name, _)) => format!("{}()", name.trim()),
        None => text.to_owned(),
    }
}

/// `fn pg_foo`, `alias.column` or a relation, separated by blanks or commas.
fn explicit(wanted: &'static str, from: &[(&'static str, String)]) -> Vec<Need> {
    let declared = |alias: &str| from.iter().any(|(known, _)| *known == alias);
    let mut needs = Vec::new();
    let mut words = wanted.split([' ', ',']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        needs.push(match (word, word.split_once('.')) {
            ("fn", _) => Need::Object(format!("{}()", words.next().unwrap_or_default())),
            (_, Some((alias, column))) if declared(alias) => Need::Column(alias, column),
            _ => Need::Object(object_name(word)),
        });
    }
    needs
}

/// Every `alias.column` of a line whose alias the head declares.
fn columns_in(line: &'static str, from: &[(&'static str, String)]) -> Vec<Need> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    line.split(|c| !is_word(c))
        .filter_map(|word| word.split_once('.'))
        .filter(|(alias, _)| from.iter().any(|(known, _)| known == alias))
        .map(|(alias, column)| Need::Column(alias, column))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "\
-- What it is.
-- from: s = {pgss}.pg_stat_statements(boolean)
select /* dbsonde */
       s.a as a
     , s.old as b --?
     , s.new as b --?
     , pg_foo() as c --? fn pg_foo
  from {pgss}.pg_stat_statements(false) s";

    fn catalogue(columns: &[&str], readable: bool) -> Catalogue {
        let columns = columns.iter().map(|c| (*c).to_owned()).collect();
        Catalogue::from([("pg_stat_statements()".to_owned(), Object { columns, readable, off: None })])
    }

    #[test]
    fn lines_stand_where_their_columns_do() {
        let fill = [("{pgss}", "\"my ext\""), ("/* dbsonde */", "/* dbsonde beat */")];
        let sql = Template::parse(SQL).render(&catalogue(&["a", "new"], true), &fill).unwrap();
        let expected = "\
select /* dbsonde beat */
       s.a as a
     , s.new as b
  from \"my ext\".pg_stat_statements(false) s";
        assert_eq!(sql, expected);
    }

    #[test]
    fn a_missing_or_forbidden_source_is_named() {
        let template = Template::parse(SQL);
        let absent = template.render(&Catalogue::new(), &[]).unwrap_err();
        assert_eq!(absent, "pg_stat_statements() does not exist on this server");
        let denied = template.render(&catalogue(&["a"], false), &[]).unwrap_err();
        assert_eq!(denied, "no right to read pg_stat_statements()");
    }
}
