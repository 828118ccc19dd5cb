//! As much YAML as a `web-config.yml` and a list of targets need: maps and lists by indentation, plain and quoted
//! texts, `[a, b]` and `{a: b}` on one line, and `|` blocks. What else YAML knows (anchors, tags, merges, several
//! documents) is refused by its line, so that no file means something else to us than to whoever wrote it.

use std::collections::HashSet;

/// Where something is said; lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Nothing,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Place, Node)>),
}

/// What is wrong; a second line is the hint.
pub type Wrong = (Place, String);
type Read<T> = Result<T, Wrong>;

/// Settings of a door are three deep, a list of targets four; more is neither, and would cost us stack.
const MAX_DEPTH: usize = 8;

/// The entries of a map; of nothing there are none.
pub fn entries(node: &Node) -> Read<&[(String, Place, Node)]> {
    match &node.value {
        Value::Map(entries) => Ok(entries),
        Value::Nothing => Ok(&[]),
        _ => Err((node.place, "expected `key: value` lines here".to_owned())),
    }
}

pub fn text(node: &Node) -> Read<&str> {
    match &node.value {
        Value::Text(text) => Ok(text),
        Value::Nothing => Ok(""),
        _ => Err((node.place, "expected one text here".to_owned())),
    }
}

pub fn texts(node: &Node) -> Read<Vec<(Place, &str)>> {
    match &node.value {
        Value::List(items) => items.iter().map(|item| Ok((item.place, text(item)?))).collect(),
        Value::Nothing => Ok(vec![]),
        _ => Err((node.place, "expected a list here\nwrite [a, b], or one `- a` a line".to_owned())),
    }
}

#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    number: usize,
    indent: usize,
    /// Without indentation; never empty, never a comment.
    text: &'a str,
}

impl Line<'_> {
    /// The place of what begins `offset` bytes into the text.
    fn at(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        Place { line: self.number, column: self.indent + before.chars().count() + 1 }
    }
}

/// Walks along a line: what is long has many entries, and each has its column.
struct Walk<'a> {
    line: Line<'a>,
    offset: usize,
    place: Place,
}

impl<'a> Walk<'a> {
    fn along(line: Line<'a>) -> Self {
        Self { line, offset: 0, place: line.at(0) }
    }

    /// The place of what begins `offset` bytes into the text, which is not before what was asked for last.
    fn at(&mut self, offset: usize) -> Place {
        let passed = self.line.text.get(self.offset..offset).unwrap_or_default();
        self.place.column += passed.chars().count();
        self.offset = self.offset.max(offset);
        self.place
    }
}

pub fn read(text: &str) -> Read<Node> {
    let all: Vec<&str> = text.lines().collect();
    let mut lines = Vec::new();
    for (nth, line) in all.iter().enumerate() {
        let body = line.trim_start_matches(' ');
        let place = Place { line: nth + 1, column: line.len() - body.len() + 1 };
        if body.starts_with('#') || body.trim().is_empty() || (*line == "---" && lines.is_empty()) {
            continue;
        }
        lines.push(Line { number: place.line, indent: place.column - 1, text: body.trim_end() });
    }
    let mut reader = Reader { all, lines, next: 0 };
    let first = reader.lines.first().map_or(0, |line| line.indent);
    let node = reader.block(first, 0)?;
    match reader.peek() {
        Some(line) => Err((line.at(0), "this line is indented like nothing around it".to_owned())),
        None => Ok(node),
    }
}

struct Reader<'a> {
    all: Vec<&'a str>,
    lines: Vec<Line<'a>>,
    next: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<Line<'a>> {
        self.lines.get(self.next).copied()
    }

    /// All lines of one indentation and what is deeper.
    fn block(&mut self, indent: usize, depth: usize) -> Read<Node> {
        let Some(first) = self.peek() else {
            return Ok(Node { place: Place { line: 1, column: 1 }, value: Value::Nothing });
        };
        if depth > MAX_DEPTH {
            return Err((first.at(0), "this is nested too deeply".to_owned()));
        }
        let value = if is_item(first.text) { self.list(indent, depth)? } else { self.map(indent, depth)? };
        Ok(Node { place: first.at(0), value })
    }

    fn list(&mut self, indent: usize, depth: usize) -> Read<Value> {
        let mut items = Vec::new();
        while let Some(line) = self.peek().filter(|line| line.indent == indent && is_item(line.text)) {
            let rest = line.text.get(1..).unwrap_or_default();
            let start = 1 + (rest.len() - rest.trim_start().len());
            items.push(match self.begin_behind_dash(line, start) {
                Some(deeper) => self.block(deeper, depth + 1)?,
                None => {
                    self.next += 1;
                    self.value(line, start, indent, depth)?
                }
            });
        }
        Ok(Value::List(items))
    }

    /// In `- key: value` a map begins right behind the dash: the line is read again as if it began there.
    fn begin_behind_dash(&mut self, line: Line<'a>, start: usize) -> Option<usize> {
        let behind = Line { indent: line.indent + start, text: line.text.get(start..)?, ..line };
        let is_flow = behind.text.starts_with(['[', '{']);
        if is_flow || (!is_item(behind.text) && key(behind).is_err()) {
            return None;
        }
        *self.lines.get_mut(self.next)? = behind;
        Some(behind.indent)
    }

    fn map(&mut self, indent: usize, depth: usize) -> Read<Value> {
        let (mut entries, mut known) = (Vec::new(), HashSet::new());
        while let Some(line) = self.peek().filter(|line| line.indent == indent && !is_item(line.text)) {
            let (key, start) = key(line)?;
            if !known.insert(key.clone()) {
                return Err((line.at(0), format!("`{key}` is said twice")));
            }
            self.next += 1;
            let value = self.value(line, start, indent, depth)?;
            entries.push((key, line.at(0), value));
        }
        Ok(Value::Map(entries))
    }

    /// What follows a key or a dash: on the same line, or below and deeper.
    fn value(&mut self, line: Line<'a>, start: usize, indent: usize, depth: usize) -> Read<Node> {
        let place = line.at(start);
        let text = line.text.get(start..).unwrap_or_default();
        if text.is_empty() || text.starts_with('#') {
            let below = self.peek().filter(|below| {
                below.indent > indent
                    // A list may stand right below its key.
                    || (below.indent == indent && is_item(below.text) && !is_item(line.text))
            });
            return match below {
                Some(below) => self.block(below.indent, depth + 1),
                None => Ok(Node { place, value: Value::Nothing }),
            };
        }
        let value = match text {
            "|" | "|-" => Value::Text(self.literal(line, indent, text == "|")),
            _ if text.starts_with('[') => flow_list(line, start)?,
            _ if text.starts_with('{') => flow_map(line, start)?,
            _ => {
                let (text, end) = scalar(line, start, "")?;
                if !is_end(line.text.get(end..).unwrap_or_default()) {
                    return Err((line.at(end), "nothing may follow here".to_owned()));
                }
                text
            }
        };
        Ok(Node { place, value })
    }

    /// The lines below as they are, without their common indentation.
    fn literal(&mut self, line: Line<'a>, indent: usize, ends: bool) -> String {
        let below = self.all.iter().skip(line.number);
        let deep =
            |line: &&&str| line.trim().is_empty() || line.len() - line.trim_start_matches(' ').len() > indent;
        let lines: Vec<&str> = below.take_while(deep).copied().collect();
        let last = line.number + lines.len();
        while self.peek().is_some_and(|line| line.number <= last) {
            self.next += 1;
        }
        let margin = lines.iter().find(|line| !line.trim().is_empty());
        let margin = margin.map_or(0, |line| line.len() - line.trim_start_matches(' ').len());
        let cut = |line: &&str| line.get(margin..).unwrap_or_default().to_owned();
        let text = lines.iter().map(cut).collect::<Vec<String>>().join("\n");
        let text = text.trim_end_matches('\n');
        if ends { format!("{text}\n") } else { text.to_owned() }
    }
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// Nothing but blanks and a comment.
fn is_end(rest: &str) -> bool {
    let bare = rest.trim_start();
    bare.is_empty() || (bare.starts_with('#') && bare.len() < rest.len())
}

/// A key, and where its value begins.
fn key(line: Line<'_>) -> Read<(String, usize)> {
    let (key, end) = scalar(line, 0, ":")?;
    let rest = line.text.get(end..).unwrap_or_default();
    match (key, rest.strip_prefix(':')) {
        (Value::Text(key), Some(after)) if after.is_empty() || after.starts_with(' ') => {
            Ok((key, end + 1 + (after.len() - after.trim_start().len())))
        }
        _ => Err((line.at(0), "this is neither `key: value` nor `- item`".to_owned())),
    }
}

/// One text that begins at `start`, and where it ends. A plain one ends at a comment, or at one of `stops`.
fn scalar(line: Line<'_>, start: usize, stops: &str) -> Read<(Value, usize)> {
    let text = line.text.get(start..).unwrap_or_default();
    let wrong = |said: &str| Err((line.at(start), said.to_owned()));
    match text.chars().next() {
        Some('"') => quoted(text, '"').map_or_else(
            || wrong("this text has no closing quote, or a backslash that is not understood"),
            |(value, length)| Ok((Value::Text(value), start + length)),
        ),
        Some('\'') => quoted(text, '\'').map_or_else(
            || wrong("this text has no closing quote"),
            |(value, length)| Ok((Value::Text(value), start + length)),
        ),
        Some('&' | '*' | '!' | '|' | '>' | '%' | '@' | '`' | '{' | '}' | '?' | '\t') => {
            wrong("this part of YAML is not understood here\nwrite a plain text, or put it in quotes")
        }
        _ => {
            let mut end = text.len();
            for (at, char) in text.char_indices() {
                let before = text.get(..at).and_then(|before| before.chars().next_back());
                let after = text.get(at + char.len_utf8()..).and_then(|after| after.chars().next());
                let is_comment = char == '#' && before.is_none_or(|before| before == ' ');
                let is_colon = char == ':' && after.is_none_or(|after| after == ' ');
                if is_colon && !stops.contains(':') {
                    return Err((
                        line.at(start + at),
                        "a map cannot begin in the middle of a line".to_owned(),
                    ));
                }
                if is_comment || is_colon || (char != ':' && stops.contains(char)) {
                    end = at;
                    break;
                }
            }
            let plain = text.get(..end).unwrap_or_default().trim_end();
            let value = match plain {
                "" | "~" | "null" => Value::Nothing,
                _ => Value::Text(plain.to_owned()),
            };
            Ok((value, start + plain.len()))
        }
    }
}

/// The text between two quotes, and its length with them.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '\'' if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                value.push('\'');
                chars.next();
            }
            char if char == quote => return Some((value, at + 1)),
            '\\' if quote == '"' => value.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                char @ ('"' | '\\' | '/') => char,
                _ => return None,
            }),
            char => value.push(char),
        }
    }
    None
}

/// `[a, b]`
fn flow_list(line: Line<'_>, start: usize) -> Read<Value> {
    let (mut items, mut walk) = (Vec::new(), Walk::along(line));
    flow(line, start, ']', |at| {
        let (value, end) = scalar(line, at, ",]")?;
        items.push(Node { place: walk.at(at), value });
        Ok(end)
    })?;
    Ok(Value::List(items))
}

/// `{a: b, c: d}`
fn flow_map(line: Line<'_>, start: usize) -> Read<Value> {
    let (mut entries, mut known, mut walk) = (Vec::new(), HashSet::new(), Walk::along(line));
    flow(line, start, '}', |at| {
        let (key, end) = scalar(line, at, ":,}")?;
        let rest = line.text.get(end..).unwrap_or_default();
        let (Value::Text(key), Some(after)) = (key, rest.strip_prefix(": ")) else {
            return Err((line.at(at), "this is not `key: value`".to_owned()));
        };
        if !known.insert(key.clone()) {
            return Err((line.at(at), format!("`{key}` is said twice")));
        }
        let behind = line.text.len() - after.trim_start().len();
        let (value, end) = scalar(line, behind, ",}")?;
        entries.push((key, walk.at(at), Node { place: walk.at(behind), value }));
        Ok(end)
    })?;
    Ok(Value::Map(entries))
}

/// What stands between brackets on one line, separated by commas. `item` reads one and says where it ends.
fn flow(line: Line<'_>, start: usize, close: char, mut item: impl FnMut(usize) -> Read<usize>) -> Read<()> {
    let mut at = start + 1;
    let blank = |at: usize| {
        let rest = line.text.get(at..).unwrap_or_default();
        at + (rest.len() - rest.trim_start().len())
    };
    loop {
        at = blank(at);
        if let Some(after) = line.text.get(at..).and_then(|rest| rest.strip_prefix(close)) {
            let is_all = is_end(after);
            return if is_all {
                Ok(())
            } else {
                Err((line.at(at + 1), "nothing may follow here".to_owned()))
            };
        }
        at = blank(item(at)?);
        match line.text.get(at..).and_then(|rest| rest.chars().next()) {
            Some(',') => at += 1,
            Some(next) if next == close => {}
            _ => {
                let said = "this has no end on its line\nwrite one entry a line, below and indented";
                return Err((line.at(start), said.to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
