//! What a lexer hands over: tokens without the bytes of any literal, and what the words among them mean for
//! folding. Nothing here belongs to one dialect.

use super::Refused;

/// One token. There is no variant that could carry a literal: it is lost inside the lexer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token<'a> {
    /// A keyword, or a name whose case means nothing, as spelled.
    Word(&'a str, Role),
    /// A name that is kept as it is.
    Name(&'a str),
    /// The same without its backticks, which it needs.
    Quoted(&'a str),
    /// A literal of any kind, or a numbered placeholder.
    Value,
    /// Several literals that the server has folded.
    List,
    /// A lone `?`: a placeholder or an operator, only its neighbours tell.
    Mark,
    /// An operator or a punctuation mark.
    Symbol(&'a str),
}

/// Why a lexer stops before the end of the text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// The text ends inside this token; the token is dropped.
    Cut,
    Refused(Refused),
}

impl Stop {
    pub(super) fn refused(self) -> Refused {
        match self {
            Self::Cut => Refused::Unreadable,
            Self::Refused(why) => why,
        }
    }
}

/// What a keyword does to its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A name, a function, or a keyword without any influence.
    Plain,
    /// An operand follows: a minus behind it is a sign, not a subtraction.
    Opens,
    /// `true`, `false`, `null`: literals, unless they stand in a test such as `is null`.
    Constant,
    /// A keyword that is set apart from the parenthesis behind it. Looks only.
    Apart,
    /// `select` and what else may begin a query.
    Query,
    In,
    Is,
    Not,
    As,
    All,
    Limit,
    Values,
    Extract,
    Uescape,
    /// A form of Unicode normalisation.
    Form,
}

/// The longest word that `role` knows.
const LONGEST: usize = 9;

impl Role {
    pub(super) fn of(word: &str) -> Self {
        let mut room = [0u8; LONGEST];
        let Some(lower) = room.get_mut(..word.len()) else { return Self::Plain };
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        match &*lower {
            b"in" => Self::In,
            b"is" => Self::Is,
            b"not" => Self::Not,
            b"as" => Self::As,
            b"all" => Self::All,
            b"limit" => Self::Limit,
            b"values" => Self::Values,
            b"extract" => Self::Extract,
            b"uescape" => Self::Uescape,
            b"nfc" | b"nfd" | b"nfkc" | b"nfkd" => Self::Form,
            b"true" | b"false" | b"null" => Self::Constant,
            b"select" | b"with" | b"table" => Self::Query,
            b"over" | b"filter" | b"exists" | b"row" | b"rollup" | b"cube" | b"sets" | b"lateral" => {
                Self::Apart
            }
            b"and" | b"or" | b"where" | b"when" | b"then" | b"else" | b"case" | b"between" | b"like"
            | b"ilike" | b"to" | b"by" | b"on" | b"from" | b"for" | b"set" | b"having" | b"offset"
            | b"distinct" | b"any" | b"some" | b"returning" | b"escape" | b"using" | b"symmetric"
            | b"union" | b"except" | b"intersect" | b"both" | b"leading" | b"trailing" | b"join"
            | b"into" => Self::Opens,
            _ => Self::Plain,
        }
    }

    /// Whether an operand is expected behind the word.
    pub(super) fn opens(self) -> bool {
        !matches!(
            self,
            Self::Plain | Self::Constant | Self::Apart | Self::Extract | Self::Uescape | Self::Form
        )
    }

    pub(super) fn apart(self) -> bool {
        self == Self::Apart || self.opens()
    }
}
