//! What a MySQL server does to the tokens of its digest: literals and rows of literals that follow upon one another
//! become one, and nobody can tell any more how many there were. The server does it only to some; what it leaves
//! apart is joined here too, so that both kinds of text end in the same pieces.

use super::pieces::Piece;
use super::token::Role;

/// Adds a literal, or several. Returns where it stands now.
pub(super) fn value<'a>(out: &mut Vec<Piece<'a>>, value: Piece<'a>) -> usize {
    match out.as_mut_slice() {
        // `'a' 'b'` is one string to the parser, and two literals in the digest.
        [.., last @ (Piece::Value | Piece::List)] => {
            if value == Piece::List {
                *last = Piece::List;
            }
        }
        [.., last @ (Piece::Value | Piece::List), Piece::Symbol(",")] => {
            *last = Piece::List;
            out.pop();
        }
        _ => out.push(value),
    }
    out.len().saturating_sub(1)
}

/// Joins a row that has just been closed with the same row before it. Returns where the last group begins.
pub(super) fn row(out: &mut Vec<Piece>) -> usize {
    use Piece::{List, Symbol, Value, Word};
    let end = out.len();
    match out.as_mut_slice() {
        // MySQL shows `in (...)` for one literal too, MariaDB does not.
        [.., Word(_, Role::In), Symbol("("), literals @ (Value | List), Symbol(")")] => {
            *literals = Value;
            end - 3
        }
        [
            ..,
            Symbol("("),
            a @ (Value | List),
            Symbol(")"),
            Symbol(","),
            Symbol("("),
            b @ (Value | List),
            Symbol(")"),
        ] if a == b => {
            out.truncate(end - 4);
            end - 7
        }
        _ => end,
    }
}
