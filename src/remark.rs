//! What a comment in SQL asks of us: `dbsonde: silence`, alone or with the ids of pages behind it. It stands on a table,
//! on an index, or in the text of a statement. Of a comment nothing is kept but ids of our own pages.

use crate::ledger::{Entry, Silenced};
use crate::model::{Digest, Finding, InTopic, Name, Remark, Scope, Snapshot, Table, Topic};
use crate::rules::Handbook;
use crate::sql::{Dialect, comments};
use crate::texts::Texts;

/// How a comment is addressed to us, and the one thing that it can ask, in lower case.
const ADDRESS: &str = "dbsonde:";
const ASKS: &str = "silence";
/// Says every page, as leaving them out does.
pub const ALL: &str = "all";
/// Words of one list that are looked at: more than there are pages.
const MAX_WORDS: usize = 200;

const ON_TABLE: &str = "a comment on the table says so";
const ON_INDEX: &str = "a comment on the index says so";
const IN_STATEMENT: &str = "a comment in the statement says so";

/// The pages that a comment silences: ids of the handbook, or [`ALL`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hush(Vec<&'static str>);

impl Hush {
    /// What a comment says. A list ends where no comma follows, so a reason may stand behind it. What is no page is passed
    /// over: a page that is misspelt silences nothing.
    pub fn of(comment: &str) -> Hush {
        let mut hush = Hush::default();
        if !is_addressed(comment) {
            return hush;
        }
        let comment = comment.to_ascii_lowercase();
        for (at, _) in comment.match_indices(ADDRESS) {
            let (before, rest) = comment.split_at(at);
            let asked = rest.strip_prefix(ADDRESS).and_then(|rest| blanks(rest).strip_prefix(ASKS));
            match asked {
                Some(list) if !before.ends_with(in_word) && !list.starts_with(in_word) => hush.add(list),
                _ => {}
            }
        }
        hush
    }

    /// What the comments in the text of a statement say. One that [`crate::sql::normalise`] refuses is not to be asked about.
    pub fn in_text(dialect: Dialect, text: &str) -> Hush {
        let mut hush = Hush::default();
        if is_addressed(text) {
            comments(dialect, text, &mut |comment| {
                Hush::of(comment).0.into_iter().for_each(|page| hush.silence(page));
            });
        }
        hush
    }

    fn add(&mut self, list: &str) {
        let mut rest = list.trim_start_matches([' ', '\t', ':', ',']);
        let mut named = false;
        for _ in 0..MAX_WORDS {
            let word = rest.split(|letter| !in_word(letter)).next().unwrap_or_default();
            if !word.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
                break;
            }
            named = true;
            self.silence(word);
            let behind = rest.get(word.len()..).unwrap_or_default().trim_start();
            let Some(next) = behind.strip_prefix(',') else { break };
            rest = next.trim_start();
        }
        if !named {
            self.silence(ALL);
        }
    }

    fn silence(&mut self, page: &str) {
        let known = Handbook::IDS.iter().copied().chain([ALL]).find(|id| *id == page);
        if let Some(page) = known.filter(|page| !self.0.contains(page)) {
            self.0.push(page);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn pages(&self) -> &[&'static str] {
        &self.0
    }

    pub fn covers(&self, page: &str) -> bool {
        self.0.iter().any(|id| covers(id, page))
    }
}

fn covers(said: &str, page: &str) -> bool {
    said == ALL || said == page
}

/// Whether a text has us in it at all: most have not, and are not read for it.
fn is_addressed(text: &str) -> bool {
    let first = ADDRESS.as_bytes();
    memchr::memchr_iter(b':', text.as_bytes()).any(|colon| {
        let begin = (colon + 1).checked_sub(first.len());
        let word = begin.and_then(|begin| text.as_bytes().get(begin..=colon));
        word.is_some_and(|word| word.eq_ignore_ascii_case(first))
    })
}

fn blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

fn in_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '-' | '_')
}

/// Rows as an engine reads them have what the comment says where a page belongs: makes one row of each page that it names.
pub fn understand(rows: &mut Vec<Remark>) {
    let each = |row: &Remark| {
        let pages = Hush::of(&row.page).0.into_iter();
        pages.map(|page| Remark { page: Name::new(page), ..row.clone() }).collect::<Vec<_>>()
    };
    *rows = rows.iter().flat_map(each).collect();
}

/// All that comments say of one target.
#[derive(Debug, Clone, Copy)]
pub struct Remarks<'a> {
    /// The last word on every topic, however old: while a server is down its comments hold.
    pub now: &'a Snapshot,
    pub texts: &'a Texts,
}

impl Remarks<'_> {
    /// Whether a comment silences a finding. What one did silence stays so until the place where it stood has been read
    /// again: a new life of ours begins without knowing any.
    pub fn silence(&self, entry: &Entry) -> Option<Silenced> {
        let finding = &entry.finding;
        let because = match finding.subject.parse::<Digest>() {
            Ok(digest) if self.texts.hush(digest).any(|hush| hush.covers(&finding.rule)) => {
                Some(IN_STATEMENT)
            }
            Ok(digest) => self.before(entry, || self.texts.has_read(digest)),
            Err(_) => self.on_object(finding).or_else(|| self.before(entry, || self.has_read(finding))),
        };
        because.map(|because| Silenced { because: Some(because.to_owned()) })
    }

    fn before(&self, entry: &Entry, is_known: impl Fn() -> bool) -> Option<&'static str> {
        let before = entry.silenced_because.as_deref()?;
        let by_comment = [ON_TABLE, ON_INDEX, IN_STATEMENT].into_iter().find(|because| *because == before);
        by_comment.filter(|_| !is_known())
    }

    fn has_read(&self, finding: &Finding) -> bool {
        let scope = finding.database.clone().map(Scope::Database);
        scope.is_none_or(|scope| self.now.parts.contains_key(&(Topic::Remarks, scope)))
    }

    fn on_object(&self, finding: &Finding) -> Option<&'static str> {
        let scope = Scope::Database(finding.database.clone()?);
        let part = self.now.parts.get(&(Topic::Remarks, scope))?;
        let mut said = Remark::of(&part.rows).iter().filter(|remark| covers(&remark.page, &finding.rule));
        said.find_map(|remark| self.is_about(finding, remark))
    }

    fn is_about(&self, finding: &Finding, remark: &Remark) -> Option<&'static str> {
        // What is about an index tells its table, since a name of an index may not be the only one of its schema.
        let table = finding.evidence.get("table").and_then(|table| table.as_str());
        let table = table.filter(|_| finding.rule.starts_with("index-"));
        let is_on = table.map(|table| behind(table, &remark.schema, &remark.table) == Some(""));
        match (is_on, &remark.index) {
            (Some(true), Some(index)) => {
                (behind(&finding.subject, &remark.schema, index) == Some("")).then_some(ON_INDEX)
            }
            (Some(is_on), None) => is_on.then_some(ON_TABLE),
            (Some(false) | None, Some(_)) => None,
            (None, None) => match behind(&finding.subject, &remark.schema, &remark.table)? {
                "" => Some(ON_TABLE),
                // A column or a key of it, unless it is another table that goes on so.
                more if more.starts_with([' ', '.']) && !self.is_other(finding, remark) => Some(ON_TABLE),
                _ => None,
            },
        }
    }

    /// Is the finding about a table whose name begins with the one that the remark is on?
    fn is_other(&self, finding: &Finding, remark: &Remark) -> bool {
        let goes_on = |table: &&Table| {
            table.schema == remark.schema
                && table.table.len() > remark.table.len()
                && table.database == remark.database
        };
        self.now.rows::<Table>().filter(goes_on).any(|table| {
            let more = behind(&finding.subject, &table.schema, &table.table);
            more.is_some_and(|more| more.is_empty() || more.starts_with([' ', '.']))
        })
    }
}

/// What follows in a text upon the full name of a table or an index that it begins with.
fn behind<'a>(text: &'a str, schema: &str, name: &str) -> Option<&'a str> {
    text.strip_prefix(schema)?.strip_prefix('.')?.strip_prefix(name)
}

#[cfg(test)]
mod tests;
