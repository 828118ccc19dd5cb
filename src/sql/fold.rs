//! From tokens to the fingerprint: signs and constants become placeholders, lists lose their length, one
//! spelling of blanks and case remains.
//!
//! The rule behind every decision: pg_stat_statements replaces *some* tokens of a text by `$n` (those the parser
//! made a constant of) and squashes *some* lists. Whatever it may replace becomes `?` here too, so that the text
//! as typed and the text as the server keeps it end in the same fingerprint.
//!
//! MySQL's digest texts have lost more: how many literals stood in any list, and rows of nothing but literals. What
//! it does while it reads, token by token, is done here too (`reduce`), for both kinds of text.

use super::pieces::{Piece, render};
use super::token::{Role, Stop, Token};
use super::{Class, Dialect, Refused, reduce, utility};
use std::iter::Peekable;
use std::ops::Range;

#[derive(Debug)]
pub(super) struct Folded {
    pub fingerprint: String,
    pub class: Class,
    pub truncated: bool,
}

/// What the commas of a parenthesis separate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing that folds.
    Plain,
    /// The elements of `in (…)` or `[…]`.
    List,
    /// The rows behind `values`.
    Rows,
}

/// An open parenthesis, or the whole statement.
#[derive(Debug)]
struct Frame {
    kind: Kind,
    /// Where its present element begins.
    start: usize,
    /// The element before it, which an equal one joins.
    kept: Option<Range<usize>>,
}

impl Frame {
    fn new(kind: Kind, start: usize) -> Self {
        Self { kind, start, kept: None }
    }
}

/// Reads one statement.
pub(super) fn statement<'a, L>(dialect: Dialect, tokens: L) -> Result<Folded, Refused>
where
    L: Iterator<Item = Result<Token<'a>, Stop>>,
{
    let mut tokens = tokens.peekable();
    let reduces = matches!(dialect, Dialect::Mysql(_));
    let mut fold = Fold { out: Vec::new(), frames: vec![Frame::new(Kind::Plain, 0)], reduces };
    while let Some(Ok(Token::Symbol(open @ ("(" | ";")))) = tokens.peek() {
        if *open == "(" {
            fold.open("(");
        }
        tokens.next();
    }
    let class = match tokens.peek() {
        None | Some(Err(Stop::Cut)) => return Err(Refused::Empty),
        Some(Err(Stop::Refused(why))) => return Err(*why),
        Some(Ok(Token::Word(word, _))) => class(dialect, word),
        Some(Ok(_)) => None,
    };
    let Some(class) = class else { return utility::statement(dialect, tokens) };
    let truncated = fold.read(&mut tokens)?;
    Ok(Folded { fingerprint: render(&fold.out), class, truncated })
}

fn class(dialect: Dialect, word: &str) -> Option<Class> {
    if matches!(dialect, Dialect::Mysql(_)) && word.eq_ignore_ascii_case("replace") {
        return Some(Class::Replace);
    }
    // It moves rows, and what is secret in it is a literal.
    if dialect == Dialect::Postgres && word.eq_ignore_ascii_case("copy") {
        return Some(Class::Copy);
    }
    let classes = [
        ("select", Class::Select),
        ("insert", Class::Insert),
        ("update", Class::Update),
        ("delete", Class::Delete),
        ("merge", Class::Merge),
        ("values", Class::Values),
        ("table", Class::Table),
        ("with", Class::With),
    ];
    classes.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, class)| class)
}

struct Fold<'a> {
    out: Vec<Piece<'a>>,
    /// Never empty: the first is the statement itself.
    frames: Vec<Frame>,
    /// Literals and rows of literals lose their number wherever they stand.
    reduces: bool,
}

impl<'a> Fold<'a> {
    /// Takes all tokens; true if the text ended before the statement did.
    fn read<L>(&mut self, tokens: &mut Peekable<L>) -> Result<bool, Refused>
    where
        L: Iterator<Item = Result<Token<'a>, Stop>>,
    {
        let mut ended = false;
        let mut cut = false;
        while let Some(token) = tokens.next() {
            match token {
                Ok(Token::Symbol(";")) => {
                    ended = true;
                    continue;
                }
                _ if ended => return Err(Refused::Several),
                Err(Stop::Refused(why)) => return Err(why),
                Err(Stop::Cut) => {
                    cut = true;
                    break;
                }
                Ok(token) => self.token(token, tokens),
            }
        }
        // A whole statement closes what it opens.
        cut |= self.frames.len() > 1;
        self.settle();
        Ok(cut)
    }

    fn token<L>(&mut self, token: Token<'a>, tokens: &mut Peekable<L>)
    where
        L: Iterator<Item = Result<Token<'a>, Stop>>,
    {
        match token {
            Token::Symbol(open @ ("(" | "[")) => return self.open(open),
            Token::Symbol(close @ (")" | "]")) => return self.close(close),
            Token::Symbol(",") => return self.comma(),
            _ => self.end_rows(),
        }
        match token {
            Token::Word(word, role) => self.word(word, role, tokens),
            Token::Name(name) => self.out.push(Piece::Name(name)),
            Token::Quoted(name) => self.out.push(Piece::Quoted(name)),
            // No statement that a server runs has two literals next to each other; where a quote was forgotten,
            // how many there seem to be depends on what they hold.
            Token::Value if !self.reduces && self.out.last() == Some(&Piece::Value) => {}
            Token::Value => self.value(Piece::Value),
            Token::List => self.value(Piece::List),
            Token::Mark if ends_operand(&self.out) && begins_operand(tokens.peek()) => {
                self.out.push(Piece::Symbol("?"));
            }
            Token::Mark => self.value(Piece::Value),
            Token::Symbol(symbol) => self.out.push(Piece::Symbol(symbol)),
        }
    }

    fn word<L>(&mut self, word: &'a str, role: Role, tokens: &mut Peekable<L>)
    where
        L: Iterator<Item = Result<Token<'a>, Stop>>,
    {
        let literal = match role {
            Role::Constant => !in_test(&self.out),
            // To the parser `limit all` is a null constant, and so to pg_stat_statements.
            Role::All => matches!(self.out.last(), Some(Piece::Word(_, Role::Limit))),
            // `$1 uescape '!'` is what pg_stat_statements leaves of `U&'…' uescape '!'`: one literal.
            Role::Uescape if matches!(self.out.last(), Some(Piece::Value)) => {
                tokens.next_if(|next| matches!(next, Ok(Token::Value | Token::Mark)));
                return;
            }
            // `a is nfc normalized` and `normalize(a, nfc)`: the parser makes a string of the form,
            Role::Form => {
                let last = matches!(tokens.peek(), Some(Ok(Token::Symbol(")"))));
                ends_in_is(&self.out) || (last && matches!(self.out.last(), Some(Piece::Symbol(","))))
            }
            // and of the field in `extract(year from …)`.
            _ => matches!(self.out.as_slice(), [.., Piece::Word(_, Role::Extract), Piece::Symbol("(")]),
        };
        if literal {
            return self.value(Piece::Value);
        }
        self.out.push(Piece::Word(word, role));
        let end = self.out.len();
        let Some(frame) = self.frames.last_mut() else { return };
        match role {
            Role::Values if matches!(tokens.peek(), Some(Ok(Token::Symbol("(")))) => {
                *frame = Frame::new(Kind::Rows, end);
            }
            // `in (select 1, 2)`: a query is not a list.
            Role::Query | Role::Values if frame.start + 1 == end => frame.kind = Kind::Plain,
            _ => {}
        }
    }

    /// A literal with its sign: PostgreSQL folds `-1` into one constant, and `-$1` is the same spelling. MySQL does
    /// so with both signs, but not everywhere.
    fn value(&mut self, value: Piece<'a>) {
        while let [before @ .., Piece::Symbol(sign @ ("-" | "+"))] = self.out.as_slice() {
            if ends_operand(before) || (*sign == "+" && !self.reduces) {
                break;
            }
            self.out.pop();
        }
        if !self.reduces {
            return self.out.push(value);
        }
        let at = reduce::value(&mut self.out, value);
        self.reaches_back(at);
    }

    /// What was read last has joined what stands at `at`, which may be an element further back.
    fn reaches_back(&mut self, at: usize) {
        if let Some(frame) = self.frames.last_mut().filter(|frame| frame.start > at) {
            frame.start = at;
            frame.kept = None;
        }
    }

    fn open(&mut self, open: &'a str) {
        let kind = match (open, self.out.last()) {
            ("[", _) | (_, Some(Piece::Word(_, Role::In))) => Kind::List,
            _ => Kind::Plain,
        };
        if self.frames.last().is_some_and(|frame| frame.kind == Kind::Rows && frame.start < self.out.len()) {
            // `values (1) (2)` is no row list.
            self.end_rows();
        }
        self.out.push(Piece::Symbol(open));
        self.frames.push(Frame::new(kind, self.out.len()));
    }

    fn close(&mut self, close: &'a str) {
        self.settle();
        if self.frames.len() > 1 {
            self.frames.pop();
        }
        self.out.push(Piece::Symbol(close));
        if self.reduces {
            let at = reduce::row(&mut self.out);
            self.reaches_back(at);
        }
    }

    fn comma(&mut self) {
        self.settle();
        self.out.push(Piece::Symbol(","));
        if let Some(frame) = self.frames.last_mut() {
            frame.start = self.out.len();
        }
    }

    /// Any token but a comma and a parenthesis ends the rows of `values`.
    fn end_rows(&mut self) {
        if self.frames.last().is_some_and(|frame| frame.kind == Kind::Rows) {
            self.settle();
            if let Some(frame) = self.frames.last_mut() {
                frame.kind = Kind::Plain;
            }
        }
    }

    /// Ends an element. In a list a constant is `?`, whatever its casts, because PostgreSQL 18 squashes
    /// `in (1::int, 2::int)` and 17 does not; next to its equal, a constant or a row is dropped. Only neighbours
    /// are compared: that costs no memory, and lists written by programs are uniform.
    fn settle(&mut self) {
        let Some((kind, start)) = self.frames.last().map(|frame| (frame.kind, frame.start)) else { return };
        if kind == Kind::Plain {
            return;
        }
        let element = self.out.get(start..).unwrap_or_default();
        if kind == Kind::List && is_constant(element) {
            self.out.truncate(start);
            self.value(Piece::Value);
        }
        let Some(frame) = self.frames.last_mut() else { return };
        let element = self.out.get(frame.start..).unwrap_or_default();
        let kept = frame.kept.clone().and_then(|kept| self.out.get(kept)).unwrap_or_default();
        let folds = matches!(element, [Piece::Value] | [Piece::Symbol("(" | "["), ..]);
        match &frame.kept {
            Some(kept_at) if folds && kept == element => self.out.truncate(kept_at.end),
            _ => frame.kept = Some(frame.start..self.out.len()),
        }
    }
}

/// `is null`, `is not true`; and the names in `as null`, `t.true`.
fn in_test(before: &[Piece]) -> bool {
    ends_in_is(before) || matches!(before, [.., Piece::Word(_, Role::As) | Piece::Symbol(".")])
}

fn ends_in_is(before: &[Piece]) -> bool {
    matches!(
        before,
        [.., Piece::Word(_, Role::Is)] | [.., Piece::Word(_, Role::Is), Piece::Word(_, Role::Not)]
    )
}

/// Whether a minus behind these pieces subtracts.
fn ends_operand(before: &[Piece]) -> bool {
    match before {
        // A keyword behind a dot is a column.
        [.., Piece::Symbol("."), Piece::Word(..)] => true,
        [.., Piece::Word(_, role)] => !role.opens(),
        [.., Piece::Name(_) | Piece::Quoted(_) | Piece::Value | Piece::List] => true,
        [.., Piece::Symbol(symbol)] => matches!(*symbol, ")" | "]" | "}" | "@?"),
        [] => false,
    }
}

/// Whether what follows a question mark makes it an operator: `data ? 'key'`, but `date ? - 1`, `date ? and`.
fn begins_operand(next: Option<&Result<Token, Stop>>) -> bool {
    match next {
        Some(Ok(Token::Word(_, role))) => !role.opens(),
        Some(Ok(Token::Name(_) | Token::Quoted(_) | Token::Value | Token::List | Token::Mark)) => true,
        Some(Ok(Token::Symbol(symbol))) => *symbol == "(",
        _ => false,
    }
}

/// `?`, `((?))`, `date ?`, `interval ? day`, `?::numeric(?, ?)`, `cast(? as int)`.
fn is_constant(mut element: &[Piece]) -> bool {
    while let [Piece::Symbol("("), inner @ .., Piece::Symbol(")")] = element {
        element = inner;
    }
    if let [Piece::Word(cast, _), Piece::Symbol("("), Piece::Value, kind @ .., Piece::Symbol(")")] = element
        && let [Piece::Word(_, Role::As), kind @ ..] = kind
    {
        return cast.eq_ignore_ascii_case("cast") && is_type(kind);
    }
    // A query in the place of an element never comes here: this `with` is that of `timestamp with time zone`.
    let plain = |piece: &&Piece| matches!(piece, Piece::Word(_, Role::Plain | Role::Query));
    let before = element.iter().take_while(plain).count();
    let Some([Piece::Value, rest @ ..]) = element.get(before..) else { return false };
    let after = rest.iter().take_while(plain).count();
    match rest.get(after..) {
        Some([]) => true,
        Some([Piece::Symbol("::"), kind @ ..]) => is_type(kind),
        _ => false,
    }
}

/// Pieces of which the names of types are made. Nothing that could hold a column passes unless it is a name of
/// a type by its place behind `::`.
fn is_type(pieces: &[Piece]) -> bool {
    pieces.iter().all(|piece| match piece {
        Piece::Word(_, role) => matches!(role, Role::Plain | Role::Query),
        Piece::Name(_) | Piece::Quoted(_) | Piece::Value | Piece::List => true,
        Piece::Symbol(symbol) => matches!(*symbol, "::" | "." | "(" | ")" | "[" | "]" | ","),
    })
}
