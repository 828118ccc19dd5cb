//! What a fingerprint is made of, and the one way in which it is spelled.

use super::token::Role;

/// A token of the fingerprint.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'a> {
    Word(&'a str, Role),
    Name(&'a str),
    /// A name that needs its quotes, without them.
    Quoted(&'a str),
    Value,
    /// More than one value, nobody knows how many.
    List,
    Symbol(&'a str),
}

impl PartialEq for Piece<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Word(a, _), Self::Word(b, _)) => a.eq_ignore_ascii_case(b),
            (Self::Name(a), Self::Name(b))
            | (Self::Quoted(a), Self::Quoted(b))
            | (Self::Symbol(a), Self::Symbol(b)) => a == b,
            (Self::Value, Self::Value) | (Self::List, Self::List) => true,
            _ => false,
        }
    }
}

/// The text of a fingerprint.
pub(super) fn render(pieces: &[Piece]) -> String {
    let mut text = String::with_capacity(pieces.len() * 6);
    let mut before = None;
    let mut pieces = pieces.iter().peekable();
    while let Some(piece) = pieces.next() {
        if before.is_some_and(|before| apart(before, piece)) {
            text.push(' ');
        }
        let start = text.len();
        match piece {
            Piece::Word(word, _) => {
                text.push_str(word);
                // Only ASCII, as the server does where a byte may be part of a character.
                text.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
            }
            Piece::Name(name) => {
                text.push_str(name);
                // `U&"…"` and `u&"…"` are one spelling.
                if name.ends_with('"') {
                    text.get_mut(start..=start).unwrap_or_default().make_ascii_lowercase();
                }
            }
            Piece::Quoted(name) => {
                text.push('`');
                text.push_str(name);
                text.push('`');
            }
            Piece::Value => text.push('?'),
            Piece::List if matches!(before, Some(Piece::Symbol("("))) && closes(pieces.peek()) => {
                text.push_str("...");
            }
            Piece::List => text.push_str("?, ..."),
            Piece::Symbol(symbol) => text.push_str(symbol),
        }
        before = Some(piece);
    }
    text
}

/// Literals that fill a parenthesis.
fn closes(next: Option<&&Piece>) -> bool {
    matches!(next, Some(Piece::Symbol(")")))
}

/// Blanks never decide what is read: two pieces are set together only where no other token could arise.
fn apart(before: &Piece, piece: &Piece) -> bool {
    use Piece::{List, Name, Quoted, Symbol, Value, Word};
    match (before, piece) {
        (Symbol(":" | "::" | ":=" | "." | ".."), Symbol(":" | "::" | ":=" | "." | "..")) => true,
        (Symbol("(" | "[" | "." | "::" | "@@"), _) | (_, Symbol(")" | "]" | "," | "." | "::")) => false,
        (Word(_, role), Symbol("(")) => role.apart(),
        (Name(_) | Quoted(_), Symbol("("))
        | (Word(..) | Name(_) | Value | List | Symbol(")" | "]"), Symbol("[")) => false,
        _ => true,
    }
}
