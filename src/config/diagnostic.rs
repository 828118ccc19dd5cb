//! What is wrong with a configuration, where, and what was probably meant. Secrets in it are not repeated.

use super::mask::mask;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;
use std::ops::{Deref, Range};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Boxed: it is rare, and every `Result` that can hold it would be as large.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Box<Details>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    pub file: String,
    /// From 1; 0 where there is no text to point at, as with a flag.
    pub line: usize,
    pub column: usize,
    /// `rules.index-unused.min_bytes`
    pub key: String,
    pub message: String,
    pub hint: Option<String>,
    /// Said on the command line, not in a file.
    pub usage: bool,
    excerpt: Option<(String, Range<usize>)>,
}

impl Deref for ConfigError {
    type Target = Details;
    fn deref(&self) -> &Details {
        &self.0
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One line, for logs.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl ConfigError {
    /// About a file that cannot be pointed into. A second line of `said` is the hint.
    pub fn plain(file: impl Into<String>, said: &str) -> Self {
        Self::new(file.into(), said, 0, 0, String::new(), None)
    }

    /// About a place in a file that may hold secrets anywhere: its text is not shown.
    pub fn at(file: String, line: usize, column: usize, said: &str) -> Self {
        Self::new(file, said, line, column, String::new(), None)
    }

    /// About an argument.
    pub fn usage(argument: &str, said: &str) -> Self {
        let mut error = Self::plain(argument, said);
        error.0.usage = true;
        error
    }

    fn new(
        file: String,
        said: &str,
        line: usize,
        column: usize,
        key: String,
        excerpt: Option<(String, Range<usize>)>,
    ) -> Self {
        // What was found may be repeated in the message; hints are ours alone.
        let (message, hint) = match said.split_once('\n') {
            Some((message, hint)) => (mask(message), Some(hint.replace('\n', " "))),
            None => (mask(said), None),
        };
        Self(Box::new(Details { file, line, column, key, message, hint, usage: false, excerpt }))
    }

    /// For people: the line with a caret under the mistake.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let help =
            self.hint.as_ref().map(|hint| Group::with_title(Level::HELP.secondary_title(hint.as_str())));
        let Some((text, span)) = &self.excerpt else {
            // Without a text to show, the place belongs into the sentence.
            let place = if self.line > 0 { format!(":{}:{}", self.line, self.column) } else { String::new() };
            let title = Level::ERROR.primary_title(format!("{}{place}: {}", self.file, self.message));
            let help = help.map(|help| format!("\n{}", renderer.render(&[help]))).unwrap_or_default();
            return format!("{}{help}", renderer.render(&[Group::with_title(title)]));
        };
        let mark = AnnotationKind::Primary.span(span.clone());
        let snippet = Snippet::source(text.as_str()).path(self.file.as_str()).annotation(mark);
        let mistake = Level::ERROR.primary_title(self.message.as_str()).element(snippet);
        renderer.render(&std::iter::once(mistake).chain(help).collect::<Vec<_>>())
    }
}

/// One step towards a value.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    Key(&'a str),
    Nth(usize),
}

/// A text under examination.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

impl Document<'_> {
    /// A complaint about the value at `path`, or about the nearest thing around it that was written.
    pub fn complain(&self, path: &[Step<'_>], said: &str) -> ConfigError {
        let table = DeTable::parse(self.text).map(Spanned::into_inner).unwrap_or_default();
        self.point(locate(&table, path).unwrap_or_default(), said)
    }

    /// What serde or the parser said, in our words.
    pub fn translate(&self, error: &toml::de::Error) -> ConfigError {
        self.point(error.span().unwrap_or_default(), &plain_words(error.message()))
    }

    fn point(&self, span: Range<usize>, said: &str) -> ConfigError {
        let table = DeTable::parse(self.text).map(Spanned::into_inner).unwrap_or_default();
        let key = key_at(&table, span.start).unwrap_or_default();
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let excerpt = Some((mask(self.text), span));
        ConfigError::new(self.file.to_owned(), said, line, column, key, excerpt)
    }
}

fn locate(table: &DeTable<'_>, path: &[Step<'_>]) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    let Step::Key(name) = first else { return None };
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    // A table spreads over many lines: its name is the better place to point at.
    let here = if value.get_ref().is_table() { key.span() } else { value.span() };
    locate_in(value, rest, here)
}

fn locate_in(value: &Spanned<DeValue<'_>>, path: &[Step<'_>], here: Range<usize>) -> Option<Range<usize>> {
    match (value.get_ref(), path) {
        (DeValue::Table(table), [Step::Key(_), ..]) => locate(table, path).or(Some(here)),
        (DeValue::Array(array), [Step::Nth(nth), rest @ ..]) => match array.get(*nth) {
            Some(value) => locate_in(value, rest, value.span()),
            None => Some(here),
        },
        _ => Some(here),
    }
}

/// The dotted name of what stands at `offset`.
fn key_at(table: &DeTable<'_>, offset: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let inner = within(value, offset);
        match inner {
            Some(inner) if inner.is_empty() => Some(key.get_ref().to_string()),
            Some(inner) => Some(format!("{}.{inner}", key.get_ref())),
            None => key.span().contains(&offset).then(|| key.get_ref().to_string()),
        }
    })
}

fn within(value: &Spanned<DeValue<'_>>, offset: usize) -> Option<String> {
    let deeper = match value.get_ref() {
        DeValue::Table(table) => key_at(table, offset),
        DeValue::Array(array) => array.iter().find_map(|value| within(value, offset)),
        _ => None,
    };
    deeper.or_else(|| value.span().contains(&offset).then(String::new))
}

fn plain_words(said: &str) -> String {
    // What our own types say comes with its hint on a second line and needs no translation.
    if said.contains('\n') {
        return said.to_owned();
    }
    if said.contains("socket address") {
        return "this is not an address to listen on\nwrite \"127.0.0.1:9909\"".to_owned();
    }
    if let Some(rest) = said.strip_prefix("unknown field ") {
        return unknown("key", rest);
    }
    if let Some(rest) = said.strip_prefix("unknown variant ") {
        return unknown("word", rest);
    }
    if let Some(rest) = said.strip_prefix("missing field ") {
        return format!("{rest} is missing");
    }
    let misfit = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "));
    match misfit.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((found, expected)) => format!("expected {}, found {found}", kind(expected)),
        None => said.to_owned(),
    }
}

fn kind(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "a borrowed string" | "path string" => "text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list in [ ]",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// serde lists what it knows: "`lisen`, expected one of `listen`, `tls`".
fn unknown(what: &str, said: &str) -> String {
    let mut quoted = said.split('`').skip(1).step_by(2);
    let found = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.collect();
    let hint = match nearest(found, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "nothing is known here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    };
    format!("unknown {what} `{found}`\n{hint}")
}

/// Bytes of a word that is compared with those that we know.
const MAX_SLIP: usize = 128;

/// What was probably meant, if anything.
pub fn nearest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Nobody's slip is as long, and to compare it with every word takes as long as it is.
    if found.len() > MAX_SLIP {
        return None;
    }
    let settled = |text: &str| text.to_lowercase().replace('_', "-");
    let found = settled(found);
    let score = |known: &str| {
        let known = settled(known);
        let close = distance(&found, &known);
        let contains =
            found.len() > 3 && known.len() > 3 && (found.contains(&known) || known.contains(&found));
        let allowed = (known.chars().count() / 3).max(if known.len() > 3 { 2 } else { 1 });
        (close <= allowed || contains || letters(&found) == letters(&known)).then_some(close)
    };
    known.into_iter().filter_map(|known| Some((score(known)?, known))).min().map(|(_, known)| known)
}

/// Swapped letters are one slip.
fn letters(text: &str) -> Vec<char> {
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters
}

/// How many letters to put in, take out or change.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (nth, a) in one.chars().enumerate() {
        let mut left = nth + 1;
        let mut next = vec![left];
        for ((b, diagonal), above) in other.chars().zip(&row).zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(a != b));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
