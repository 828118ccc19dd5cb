//! The lexer of MySQL and MariaDB. It reads two things: statements as typed, and the server's digest texts, which
//! are no SQL (`IN (...)`, `VALUES (?) /* , ... */`, `` `t` . `c` ``) but come out as the same tokens.
//!
//! Whether a backslash escapes a quote is a setting of each session that nobody tells us for sure. A text without
//! its end that hangs on it is refused: one reading would show what the other holds to be a literal. A whole text
//! betrays the wrong reading by ending inside a string, by a backslash outside of one, or by a name where none can
//! stand. So a text of unknown wholeness belongs to `normalise_cut`.

#[cfg(test)]
mod tests;
mod words;

use super::cursor::{Cursor, span};
use super::token::{Role, Stop, Token};
use super::{Refused, SqlMode};
use words::{introduces, known};

/// What the server shows for a character set before a literal, and what MariaDB shows for `x'…'`.
const CHARSET: &str = "(_charset)";
const UNNAMED: &str = "(unknown)";

/// How the server shows that literals follow upon one another.
const MORE: &str = "...";

/// Operators of more than one sign, longer ones first.
const OPERATORS: &[&str] = &["<=>", "->>", "->", "<<", ">>", "<=", ">=", "!=", ":=", "&&", "||", "@@"];

type Lexed<'a> = Result<Token<'a>, Stop>;

/// What the token before decides about the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Other,
    Name,
    /// A name follows, whatever it looks like.
    Dot,
    /// A string whose end hung on what a backslash means.
    Doubtful,
}

#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: Cursor<'a>,
    mode: SqlMode,
    /// The text is known to have lost its end.
    cut: bool,
    /// Inside `/*! … */`: what stands there is run.
    versioned: bool,
    /// Open parentheses.
    depth: usize,
    last: Last,
    /// The blanks and comments before the present token, or behind the last one.
    pub(super) between: &'a str,
    /// A doubtful string has been read.
    doubt: bool,
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Lexed<'a>;
    fn next(&mut self) -> Option<Lexed<'a>> {
        match self.lex() {
            // The wrong reading ends inside a string, so a text without its end cannot tell.
            Err(Stop::Cut) if self.doubt => Some(Err(Stop::Refused(Refused::Ambiguous))),
            token => token.transpose(),
        }
    }
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, mode: SqlMode, cut: bool) -> Result<Self, Refused> {
        if text.contains('\0') {
            return Err(Refused::Unreadable);
        }
        let (last, depth) = (Last::Other, 0);
        Ok(Self {
            text: Cursor { rest: executed(text) },
            mode,
            cut,
            versioned: false,
            depth,
            last,
            between: "",
            doubt: false,
        })
    }

    fn lex(&mut self) -> Result<Option<Token<'a>>, Stop> {
        let before = self.text.rest;
        self.skip_blanks()?;
        self.between = before.get(..before.len() - self.text.rest.len()).unwrap_or_default();
        let Some(first) = self.text.peek(0) else {
            let open = self.cut || self.versioned || self.depth > 0;
            return if self.versioned || (self.doubt && open) { Err(Stop::Cut) } else { Ok(None) };
        };
        let doubtful = std::mem::replace(&mut self.doubt, false);
        let token = self.token(first);
        let doubt = self.doubt;
        self.doubt |= doubtful;
        let token = token?;
        // A token that touches the end of a cut text may be half of a longer one.
        if self.cut && self.text.rest.is_empty() {
            return Err(Stop::Cut);
        }
        match token {
            Token::Symbol("(") => self.depth += 1,
            Token::Symbol(")") => self.depth = self.depth.saturating_sub(1),
            // What follows a string is hardly a name, but the inside of a string is often a word.
            Token::Name(_) | Token::Quoted(_) | Token::Value if self.last == Last::Doubtful => {
                return Err(Stop::Refused(Refused::Ambiguous));
            }
            _ => {}
        }
        self.last = match token {
            _ if doubt => Last::Doubtful,
            Token::Symbol("." | "@@") => Last::Dot,
            Token::Name(_) | Token::Quoted(_) | Token::Word(..) => Last::Name,
            _ => Last::Other,
        };
        Ok(Some(token))
    }

    /// Does something stand between the present token and the one before?
    fn is_apart(&self) -> bool {
        !self.between.is_empty()
    }

    fn token(&mut self, first: u8) -> Lexed<'a> {
        match (first, self.text.peek(1)) {
            (b'\'', _) => self.string(1),
            (b'"', _) if self.mode.ansi_quotes => self.name(b'"'),
            (b'"', _) => self.string(1),
            (b'`', _) => self.name(b'`'),
            (b'n' | b'N' | b'x' | b'X' | b'b' | b'B', Some(b'\'')) => self.string(2),
            (b'0'..=b'9', _) if self.last != Last::Dot => self.number(),
            (b'.', Some(b'0'..=b'9')) if self.is_apart() || self.last != Last::Name => self.number(),
            (b'@', Some(b'@')) => Ok(Token::Symbol(self.text.take(2))),
            (b'@', _) => self.variable(),
            (b'?', _) => Ok(self.placeholder()),
            (b'\\', Some(b'N')) => {
                self.text.take(2);
                Ok(Token::Value)
            }
            (b'.', _) if self.text.rest.starts_with(MORE) => self.cut_off(),
            (b'(', _) if self.is_apart() && self.text.rest.starts_with(UNNAMED) => {
                self.text.take(UNNAMED.len());
                Ok(Token::Value)
            }
            (byte, _) if in_word(byte) && byte != b'$' => self.word(),
            _ => self.operator(),
        }
    }

    fn skip_blanks(&mut self) -> Result<(), Stop> {
        loop {
            self.text.take_blanks();
            let dashes =
                self.text.rest.starts_with("--") && self.text.peek(2).is_none_or(|byte| byte <= b' ');
            if dashes || self.text.rest.starts_with('#') {
                self.text.take_while(|byte| byte != b'\n');
            } else if self.versioned && self.text.rest.starts_with("*/") {
                self.text.take(2);
                self.versioned = false;
            } else if self.text.rest.starts_with("/*") {
                self.comment()?;
            } else if let Some(length) = self.introducer() {
                self.text.take(length);
            } else {
                return Ok(());
            }
        }
    }

    /// The name of a character set belongs to the literal behind it.
    fn introducer(&self) -> Option<usize> {
        if self.text.rest.starts_with(CHARSET) {
            return Some(CHARSET.len());
        }
        let word = self.text.rest.get(..span(self.text.rest, in_word)).unwrap_or_default();
        (self.last != Last::Dot && introduces(word)).then_some(word.len())
    }

    /// A comment ends at the first `*/`, and so does one inside a versioned comment. Hints are comments here: the
    /// statement stays the same.
    fn comment(&mut self) -> Result<(), Stop> {
        if !self.versioned && self.opens_code() {
            self.versioned = true;
            return Ok(());
        }
        let body = self.text.rest.get(2..).unwrap_or_default();
        let end = body.find("*/").ok_or(Stop::Cut)?;
        self.text.take(2 + end + 2);
        Ok(())
    }

    /// `/*!50000`, `/*!` and `/*M!`: whether the server runs what follows. If it does, the head is taken.
    fn opens_code(&mut self) -> bool {
        let body = self.text.rest.get(2..).unwrap_or_default();
        let Some(after) = body.strip_prefix("M!").or_else(|| body.strip_prefix('!')) else { return false };
        let digits = match span(after, |byte| byte.is_ascii_digit()) {
            5 => 5,
            6.. => 6,
            _ => 0,
        };
        let wanted = after.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or_default();
        let runs = self.mode.runs(wanted, body.starts_with('M'));
        if runs {
            let head = self.text.rest.len() - after.len() + digits;
            self.text.take(head);
        }
        runs
    }

    /// A string behind its prefix and its quote. A quote is written twice, or with a backslash before it.
    fn string(&mut self, prefix: usize) -> Lexed<'a> {
        let Some(quote) = self.text.take(prefix).bytes().next_back() else { return Err(Stop::Cut) };
        let mut escaped = false;
        let mut bytes = self.text.rest.bytes().enumerate().peekable();
        while let Some((at, byte)) = bytes.next() {
            if byte != quote {
                escaped = byte == b'\\' && !escaped;
                continue;
            }
            self.doubt |= escaped;
            let goes_on = (escaped && !self.mode.no_backslash_escapes)
                || bytes.next_if(|(_, next)| *next == quote).is_some();
            if !goes_on {
                self.text.take(at + 1);
                return Ok(Token::Value);
            }
            escaped = false;
        }
        Err(Stop::Cut)
    }

    /// A quoted name. One that could stand there without its quotes loses them, as both spellings are one to the
    /// server.
    fn name(&mut self, quote: u8) -> Lexed<'a> {
        let whole = self.text.rest;
        self.text.take(1);
        loop {
            let Some(end) = self.text.rest.bytes().position(|byte| byte == quote) else {
                return Err(Stop::Cut);
            };
            self.text.take(end + 1);
            if self.text.peek(0) != Some(quote) {
                break;
            }
            self.text.take(1);
        }
        let quoted = whole.get(..whole.len() - self.text.rest.len()).unwrap_or_default();
        let bare = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        // The fingerprint could not say where such a name ends.
        if quote == b'"' && bare.contains('`') {
            return Err(Stop::Refused(Refused::Unreadable));
        }
        Ok(bare_name(bare))
    }

    /// An unquoted name or a keyword.
    fn word(&mut self) -> Lexed<'a> {
        let word = self.text.take_while(in_word);
        match known(word) {
            Some(known) if self.text.peek(0) == Some(b'(') => Ok(Token::Word(known.function, known.role)),
            Some(known) => Ok(Token::Word(known.word, known.role)),
            None => Ok(bare_name(word)),
        }
    }

    /// `@x`, `@'x y'`, `` @`x` ``: the server shows no name for the first two.
    fn variable(&mut self) -> Lexed<'a> {
        self.text.take(1);
        match self.text.peek(0) {
            Some(b'\'' | b'"') => self.string(1)?,
            Some(b'`') => self.name(b'`')?,
            Some(b'?') => self.placeholder(),
            _ => {
                self.text.take_while(|byte| in_word(byte) || byte == b'.');
                Token::Value
            }
        };
        Ok(Token::Symbol("@?"))
    }

    /// `?`, or `?, ...` where the server has folded several.
    fn placeholder(&mut self) -> Token<'a> {
        self.text.take(1);
        if self.text.rest.starts_with(", ...") {
            self.text.take(5);
            return Token::List;
        }
        Token::Value
    }

    /// Three dots: behind a parenthesis the literals of a list, elsewhere the place where a digest text was cut.
    fn cut_off(&mut self) -> Lexed<'a> {
        self.text.take(MORE.len());
        if self.text.peek(0) == Some(b')') { Ok(Token::List) } else { Err(Stop::Cut) }
    }

    /// A number, or a name that begins with digits.
    fn number(&mut self) -> Lexed<'a> {
        let whole = self.text.rest;
        let after = whole.get(2..).unwrap_or_default();
        let digits = |byte: u8| byte.is_ascii_digit();
        let radix = match (self.text.peek(0), self.text.peek(1)) {
            (Some(b'0'), Some(b'x' | b'X')) => Some(span(after, |byte| byte.is_ascii_hexdigit())),
            (Some(b'0'), Some(b'b' | b'B')) => Some(span(after, |byte| matches!(byte, b'0' | b'1'))),
            _ => None,
        };
        if let Some(length) = radix.filter(|length| *length > 0) {
            self.text.take(2 + length);
            return self.unjoined();
        }
        self.text.take_while(digits);
        let real = self.text.peek(0) == Some(b'.') && self.text.peek(1) != Some(b'.');
        if real {
            self.text.take(1);
            self.text.take_while(digits);
        }
        self.exponent();
        if real {
            return self.unjoined();
        }
        if self.text.take_while(in_word).is_empty() {
            return Ok(Token::Value);
        }
        let name = whole.get(..whole.len() - self.text.rest.len()).unwrap_or_default();
        match is_bare(name) {
            true => Ok(bare_name(name)),
            // `1e` may be what is left of `1e5`, and `0b2` was meant as a number.
            false if self.text.rest.is_empty() => Err(Stop::Cut),
            false => Err(Stop::Refused(Refused::Unreadable)),
        }
    }

    fn exponent(&mut self) {
        let sign = usize::from(matches!(self.text.peek(1), Some(b'+' | b'-')));
        let digit = self.text.peek(1 + sign).is_some_and(|byte| byte.is_ascii_digit());
        if matches!(self.text.peek(0), Some(b'e' | b'E')) && digit {
            self.text.take(1 + sign);
            self.text.take_while(|byte| byte.is_ascii_digit());
        }
    }

    /// What may be the rest of a literal is never shown as a name.
    fn unjoined(&self) -> Lexed<'a> {
        match span(self.text.rest, in_word) {
            0 => Ok(Token::Value),
            length if length == self.text.rest.len() => Err(Stop::Cut),
            _ => Err(Stop::Refused(Refused::Unreadable)),
        }
    }

    fn operator(&mut self) -> Lexed<'a> {
        if self.text.rest.starts_with("<>") {
            self.text.take(2);
            return Ok(Token::Symbol("!="));
        }
        if let Some(operator) = OPERATORS.iter().find(|operator| self.text.rest.starts_with(**operator)) {
            return Ok(Token::Symbol(self.text.take(operator.len())));
        }
        match self.text.peek(0) {
            Some(byte) if b"()+-*/%^&|~!=<>,;.:{}".contains(&byte) => Ok(Token::Symbol(self.text.take(1))),
            _ => Err(Stop::Refused(Refused::Unreadable)),
        }
    }
}

/// A name in backticks. Without them it may be something else, or its case may count.
/// Reserved words that begin a statement, with what comes before them in parentheses: no name looks like that.
const BEGINNINGS: [&str; 13] = [
    "call", "delete", "insert", "load", "replace", "select", "set", "show", "table", "update", "values",
    "with", "(",
];

/// A statement that was prepared in the protocol is, each time that it runs, `EXECUTE SELECT …` to MySQL 9: the same as if
/// it had been sent whole. In SQL a name follows.
fn executed(text: &str) -> &str {
    let rest = text.trim_start().split_at_checked("execute ".len());
    let rest =
        rest.filter(|(verb, _)| verb.eq_ignore_ascii_case("execute ")).map(|(_, rest)| rest.trim_start());
    let begins = |rest: &&str| {
        let word = rest.split(|letter: char| letter.is_whitespace()).next().unwrap_or_default();
        BEGINNINGS.iter().any(|begin| word.eq_ignore_ascii_case(begin))
    };
    rest.filter(begins).unwrap_or(text)
}

fn bare_name(name: &str) -> Token<'_> {
    match known(name) {
        _ if !is_bare(name) => Token::Quoted(name),
        Some(known) if known.reserved || !known.word.eq_ignore_ascii_case(name) => Token::Quoted(name),
        Some(_) => Token::Word(name, Role::Plain),
        None => Token::Name(name),
    }
}

/// Whether a quoted name is one without its quotes too. Among names that begin with a digit there are numbers.
fn is_bare(name: &str) -> bool {
    let after = name.trim_start_matches(|c: char| c.is_ascii_digit());
    let number =
        after.len() < name.len() && (after.is_empty() || after.starts_with(['e', 'E', 'x', 'X', 'b', 'B']));
    let letters = !name.is_empty() && name.bytes().all(in_word);
    letters && !number && !name.starts_with('$') && !introduces(name)
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}
