//! The lexer of PostgreSQL, after its `scan.l`: what is a token there is a token here, for versions 10 to 18.
//!
//! It is stricter than the server in one way: where two versions or two settings would read a text differently
//! and one reading shows what the other holds to be a literal, the text is refused.

use super::Refused;
use super::cursor::{Cursor, span};
use super::token::{Role, Stop, Token};

/// The longest operator: PostgreSQL refuses longer ones (NAMEDATALEN - 1), and a run of signs without end would
/// be scanned again for each sign.
const MAX_OPERATOR: usize = 63;

/// Operators of the server and its extensions that hold a question mark. In any other run of operator characters
/// the question mark is the placeholder of a client library, as in `a=?`.
const QUESTIONS: &[&str] = &["?|", "?&", "?-", "?#", "?||", "?-|", "@?"];

type Lexed<'a> = Result<Token<'a>, Stop>;

#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: Cursor<'a>,
    /// The text is known to have lost its end.
    cut: bool,
    /// The last token was the word `escape`.
    escape: bool,
    /// The blanks and comments before the last token, or behind it at the end of the text.
    pub(super) between: &'a str,
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Lexed<'a>;
    fn next(&mut self) -> Option<Lexed<'a>> {
        let before = self.text.rest;
        self.skip_blanks()
            .and_then(|()| {
                self.between = before.get(..before.len() - self.text.rest.len()).unwrap_or_default();
                let Some(first) = self.text.peek(0) else { return Ok(None) };
                let token = self.token(first)?;
                self.escape = matches!(token, Token::Word(word, _) if word.eq_ignore_ascii_case("escape"));
                // A token that touches the end of a cut text may be half of a longer one.
                if self.cut && self.text.rest.is_empty() { Err(Stop::Cut) } else { Ok(Some(token)) }
            })
            .transpose()
    }
}

/// Types whose literals may be written with the type before them.
const TYPED: &[&str] = &["interval", "date", "time", "timestamp", "timestamptz"];

/// See [`super::plannable`].
pub(super) fn plannable(text: &str) -> Result<String, Refused> {
    let mut lexer = Lexer::new(text, false)?;
    let mut kept = String::with_capacity(text.len());
    // Where the last token begins, if it is the name of a type.
    let mut of_type: Option<(usize, &str)> = None;
    loop {
        let before = lexer.text.rest;
        lexer.skip_blanks().map_err(Stop::refused)?;
        let begin = lexer.text.rest;
        let Some(token) = lexer.next() else { return Ok(kept) };
        let token = token.map_err(Stop::refused)?;
        let spelled = begin.get(..begin.len() - lexer.text.rest.len()).unwrap_or_default();
        if let Some((at, name)) = of_type.take()
            && spelled.starts_with('$')
        {
            kept.truncate(at);
            kept.extend([spelled, "::", name]);
            continue;
        }
        if begin.len() < before.len() && !kept.is_empty() {
            kept.push(' ');
        }
        if let Token::Word(word, _) = token {
            of_type =
                TYPED.iter().find(|name| name.eq_ignore_ascii_case(word)).map(|name| (kept.len(), *name));
        }
        kept.push_str(spelled);
    }
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, cut: bool) -> Result<Self, Refused> {
        if text.contains('\0') {
            return Err(Refused::Unreadable);
        }
        // `<insufficient privilege>`, `<command string not enabled>`: no statement begins so.
        if text.starts_with('<') {
            Err(Refused::Hidden)
        } else {
            Ok(Self { text: Cursor { rest: text }, cut, escape: false, between: "" })
        }
    }

    fn token(&mut self, first: u8) -> Lexed<'a> {
        match (first, self.text.peek(1), self.text.peek(2)) {
            (b'\'', ..) => self.string(1, false),
            (b'e' | b'E', Some(b'\''), _) => self.string(2, true),
            (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', Some(b'\''), _) => self.string(2, false),
            (b'u' | b'U', Some(b'&'), Some(b'\'')) => self.string(3, false),
            (b'u' | b'U', Some(b'&'), Some(b'"')) => self.name(3),
            (b'"', ..) => self.name(1),
            (b'$', ..) => self.dollar(),
            (b'0'..=b'9', ..) | (b'.', Some(b'0'..=b'9'), _) => self.number(),
            (b'.', Some(b'.'), _) | (b':', Some(b':' | b'='), _) => Ok(Token::Symbol(self.text.take(2))),
            (b'(' | b')' | b'[' | b']' | b',' | b';' | b'.' | b':', ..) => {
                Ok(Token::Symbol(self.text.take(1)))
            }
            (byte, ..) if begins_word(byte) => {
                let word = self.text.take_while(in_word);
                Ok(if is_national(word) { Token::Value } else { Token::Word(word, Role::of(word)) })
            }
            (byte, ..) if is_operator(byte) => self.operator(),
            _ => Err(Stop::Refused(Refused::Unreadable)),
        }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.text.rest
    }

    pub(super) fn skip_blanks(&mut self) -> Result<(), Stop> {
        loop {
            self.text.take_blanks();
            if self.text.rest.starts_with("--") {
                self.text.take_while(in_line);
            } else if self.text.rest.starts_with("/*") {
                self.block_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    /// Comments nest: a counter, since a text may hold half a million of them.
    fn block_comment(&mut self) -> Result<(), Stop> {
        let mut depth = 0usize;
        let mut bytes = self.text.rest.bytes().enumerate().peekable();
        while let Some((at, byte)) = bytes.next() {
            let next = bytes.peek().map(|(_, next)| *next);
            match (byte, next) {
                (b'/', Some(b'*')) => depth += 1,
                (b'*', Some(b'/')) => depth -= 1,
                _ => continue,
            }
            bytes.next();
            if depth == 0 {
                self.text.take(at + 2);
                return Ok(());
            }
        }
        Err(Stop::Cut)
    }

    /// A string with its prefix, and the strings behind it that the standard makes part of it.
    fn string(&mut self, prefix: usize, escapes: bool) -> Lexed<'a> {
        // `escape '\'` is the one common string with a backslash before its quote. Were the backslash an escape
        // here, this escape would have more than one character, which no server runs.
        if self.escape && self.text.rest.starts_with(r"'\'") && self.text.peek(3) != Some(b'\'') {
            self.text.take(3);
            return Ok(Token::Value);
        }
        self.text.take(prefix);
        loop {
            self.string_body(escapes)?;
            if !self.continues() {
                return Ok(Token::Value);
            }
        }
    }

    /// An odd number of backslashes before a quote: with `standard_conforming_strings` the quote ends the
    /// string, without it the string goes on. Either reading may show what the other hides.
    fn string_body(&mut self, escapes: bool) -> Result<(), Stop> {
        let mut escaped = false;
        let mut bytes = self.text.rest.bytes().enumerate().peekable();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'\\' => escaped = !escaped,
                b'\'' if escaped && escapes => escaped = false,
                b'\'' if escaped => return Err(Stop::Refused(Refused::Ambiguous)),
                b'\'' => {
                    if bytes.next_if(|(_, next)| *next == b'\'').is_none() {
                        self.text.take(at + 1);
                        return Ok(());
                    }
                }
                _ => escaped = false,
            }
        }
        Err(Stop::Cut)
    }

    /// `'a'`, a newline, `'b'` is one string to PostgreSQL. Only blanks and line comments may lie between.
    fn continues(&mut self) -> bool {
        let before = self.text.rest;
        let mut newline = false;
        loop {
            let blanks = self.text.take_blanks();
            newline |= blanks.contains(['\n', '\r']);
            if !self.text.rest.starts_with("--") {
                break;
            }
            self.text.take_while(in_line);
        }
        let continues = newline && self.text.rest.starts_with('\'');
        if continues {
            self.text.take(1);
        } else {
            self.text.rest = before;
        }
        continues
    }

    fn name(&mut self, prefix: usize) -> Lexed<'a> {
        let whole = self.text.rest;
        self.text.take(prefix);
        loop {
            let Some(quote) = self.text.rest.find('"') else { return Err(Stop::Cut) };
            self.text.take(quote + 1);
            if self.text.peek(0) != Some(b'"') {
                let length = whole.len() - self.text.rest.len();
                return Ok(Token::Name(whole.get(..length).unwrap_or_default()));
            }
            self.text.take(1);
        }
    }

    /// `$1`, `$$text$$` or `$tag$text$tag$`.
    fn dollar(&mut self) -> Lexed<'a> {
        let after = self.text.rest.get(1..).unwrap_or_default();
        if after.starts_with(|c: char| c.is_ascii_digit()) {
            self.text.take(1 + span(after, |b| b.is_ascii_digit()));
            return self.unjoined();
        }
        let tag = span(after, |b| in_word(b) && b != b'$');
        match self.text.peek(tag + 1) {
            None => Err(Stop::Cut),
            Some(b'$') => {
                let fence = self.text.take(tag + 2);
                let end = self.text.rest.find(fence).ok_or(Stop::Cut)?;
                self.text.take(end + fence.len());
                Ok(Token::Value)
            }
            Some(_) => Err(Stop::Refused(Refused::Unreadable)),
        }
    }

    fn number(&mut self) -> Lexed<'a> {
        let digits = |b: u8| b.is_ascii_digit() || b == b'_';
        match (self.text.peek(0), self.text.peek(1)) {
            (Some(b'0'), Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B')) => {
                self.text.take(2);
                self.text.take_while(|b| b.is_ascii_hexdigit() || b == b'_');
            }
            _ => {
                self.text.take_while(digits);
                if self.text.peek(0) == Some(b'.') && self.text.peek(1) != Some(b'.') {
                    self.text.take(1);
                    self.text.take_while(digits);
                }
                self.exponent();
            }
        }
        self.unjoined()
    }

    fn exponent(&mut self) {
        let sign = usize::from(matches!(self.text.peek(1), Some(b'+' | b'-')));
        let digit = self.text.peek(1 + sign).is_some_and(|b| b.is_ascii_digit());
        if matches!(self.text.peek(0), Some(b'e' | b'E')) && digit {
            self.text.take(1 + sign);
            self.text.take_while(|b| b.is_ascii_digit() || b == b'_');
        }
    }

    /// A number that runs into a word: old servers read `0xFF` as `0 AS xFF`, new ones refuse `12abc`. What may
    /// be the rest of a literal is never shown as a name.
    fn unjoined(&self) -> Lexed<'a> {
        match span(self.text.rest, in_word) {
            0 => Ok(Token::Value),
            length if length == self.text.rest.len() => Err(Stop::Cut),
            _ => Err(Stop::Refused(Refused::Unreadable)),
        }
    }

    fn operator(&mut self) -> Lexed<'a> {
        // One more than allowed, so that a longer run is noticed; no further, or a wall of signs costs its square.
        let run = self.text.rest.bytes().take(MAX_OPERATOR + 1).take_while(|byte| is_operator(*byte)).count();
        let run = self.text.rest.get(..run).unwrap_or_default();
        let run =
            ["--", "/*"].iter().fold(run, |run, comment| run.split_once(comment).map_or(run, |(op, _)| op));
        let run = placeholder_apart(run);
        if run.len() > MAX_OPERATOR {
            return Err(Stop::Refused(Refused::Unreadable));
        }
        if run == "?" {
            self.text.take(1);
            return Ok(Token::Mark);
        }
        Ok(Token::Symbol(self.text.take(sign_apart(run).len())))
    }
}

/// `=?` is an operator and a placeholder.
fn placeholder_apart(run: &str) -> &str {
    match run.split_once('?') {
        Some(_) if QUESTIONS.contains(&run) => run,
        Some(("", _)) => "?",
        Some((operator, _)) => operator,
        None => run,
    }
}

/// `*-1` is a product with a negative number: an operator ends in a sign only if it holds one of these.
fn sign_apart(run: &str) -> &str {
    if run.contains(['~', '!', '@', '#', '^', '&', '|', '`', '?', '%']) {
        return run;
    }
    let core = run.trim_end_matches(['+', '-']);
    if core.is_empty() { run.get(..1).unwrap_or(run) } else { core }
}

/// `N$1` is what pg_stat_statements leaves of `N'text'`. A column of that name is less likely.
fn is_national(word: &str) -> bool {
    let number = word.strip_prefix("N$").or_else(|| word.strip_prefix("n$"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn in_line(byte: u8) -> bool {
    !matches!(byte, b'\n' | b'\r')
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn in_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}
