//! What a fingerprint is made of, and the one way in which it is spelled.

use super::token::Role;

/// A token of the fingerprint.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'a> {
    Word(&'a str, Role),
    Name(&'a str),
    Value,
    Symbol(&'a str),
}

impl PartialEq for Piece<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Word(a, _), Self::Word(b, _)) => a.eq_ignore_ascii_case(b),
            (Self::Name(a), Self::Name(b)) | (Self::Symbol(a), Self::Symbol(b)) => a == b,
            (Self::Value, Self::Value) => true,
            _ => false,
        }
    }
}

/// The text of a fingerprint.
pub(super) fn render(pieces: &[Piece]) -> String {
    let mut text = String::with_capacity(pieces.len() * 6);
    let mut before = None;
    for piece in pieces {
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
                text.get_mut(start..=start).unwrap_or_default().make_ascii_lowercase();
            }
            Piece::Value => text.push('?'),
            Piece::Symbol(symbol) => text.push_str(symbol),
        }
        before = Some(piece);
    }
    text
}

/// Blanks never decide what is read: two pieces are set together only where no other token could arise.
fn apart(before: &Piece, piece: &Piece) -> bool {
    use Piece::{Name, Symbol, Value, Word};
    match (before, piece) {
        (Symbol(":" | "::" | ":=" | "." | ".."), Symbol(":" | "::" | ":=" | "." | "..")) => true,
        (Symbol("(" | "[" | "." | "::"), _) | (_, Symbol(")" | "]" | "," | "." | "::")) => false,
        (Word(_, role), Symbol("(")) => role.apart(),
        (Name(_), Symbol("(")) | (Word(..) | Name(_) | Value | Symbol(")" | "]"), Symbol("[")) => false,
        _ => true,
    }
}
