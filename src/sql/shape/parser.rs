//! Tokens with a place, and what is known so far.

use super::{MAX_TABLES, MAX_TOKENS, MAX_USES, Role, Shape, Table, Wrap, words};
use crate::sql::token::{Stop, Token};
use crate::sql::{Dialect, mysql, postgres};

/// Parentheses, subqueries and signs within one another. Generated statements hold a dozen; each level costs stack.
pub(super) const MAX_DEPTH: usize = 80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tok<'a> {
    /// A keyword or a name that is written like one.
    Word(&'a str),
    /// A name that is certainly none, without its quotes.
    Name(&'a str),
    Value,
    /// Several of them, in a digest text.
    Values,
    Symbol(&'a str),
}

/// A column as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column<'a> {
    /// The table or alias before the last dot.
    pub qualifier: Option<&'a str>,
    pub name: &'a str,
}

/// The only result of a query where it is a bare column, and the scope that it stands in.
pub(super) type Only<'a> = Option<(usize, Column<'a>)>;

/// A use whose table is still to be found.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub scope: usize,
    pub column: Column<'a>,
    pub other: Option<Column<'a>>,
    pub role: Role,
    pub operator: &'a str,
    pub wrapped: Vec<Wrap>,
    pub under_or: bool,
}

/// What the names in one query may mean.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub outer: Option<usize>,
    /// Places in [`Shape::tables`].
    pub tables: Vec<usize>,
    /// Aliases of derived tables and functions.
    pub derived: Vec<&'a str>,
    /// There is a derived table, with or without a name.
    pub has_derived: bool,
    /// Common table expressions.
    pub named: Vec<&'a str>,
    /// Names that the query gives to its results, and the columns behind them.
    pub outputs: Vec<(&'a str, Option<Column<'a>>)>,
}

pub(super) struct Parser<'a> {
    tokens: Vec<Tok<'a>>,
    at: usize,
    pub mysql: bool,
    /// In `on duplicate key update`.
    pub duplicate: bool,
    pub shape: Shape,
    pub found: Vec<Found<'a>>,
    pub scopes: Vec<Scope<'a>>,
    pub scope: usize,
    /// For each of [`Shape::not_in`], how many uses had been found before it.
    pub denied: Vec<usize>,
    /// In a condition that chooses rows.
    pub filtering: bool,
    pub depth: usize,
    /// Queries around the present one; only the outermost decides about `limit`, `*` and aggregates.
    pub level: usize,
    /// Tokens were passed over, or are missing.
    pub lost: bool,
}

impl<'a> Parser<'a> {
    pub fn new(dialect: Dialect, text: &'a str) -> Self {
        let text = crate::sql::head(text, crate::sql::MAX_TEXT);
        let (tokens, lost) = match dialect {
            Dialect::Postgres => postgres::Lexer::new(text, false).map(collect),
            Dialect::Mysql(mode) => mysql::Lexer::new(text, mode, false).map(collect),
        }
        .unwrap_or_default();
        Self {
            tokens,
            at: 0,
            mysql: matches!(dialect, Dialect::Mysql(_)),
            duplicate: false,
            shape: Shape::default(),
            found: Vec::new(),
            scopes: vec![Scope::default()],
            scope: 0,
            denied: Vec::new(),
            filtering: false,
            depth: 0,
            level: 0,
            lost,
        }
    }

    pub fn peek(&self) -> Option<Tok<'a>> {
        self.ahead(0)
    }

    pub fn ahead(&self, by: usize) -> Option<Tok<'a>> {
        self.tokens.get(self.at + by).copied()
    }

    pub fn next(&mut self) -> Option<Tok<'a>> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    pub fn place(&self) -> usize {
        self.at
    }

    pub fn go_back(&mut self, place: usize) {
        self.at = place;
    }

    pub fn is(&self, word: &str) -> bool {
        self.peek() == Some(Tok::Word(word))
    }

    pub fn is_any(&self, words: &[&str]) -> bool {
        matches!(self.peek(), Some(Tok::Word(word)) if words.contains(&word))
    }

    pub fn sees(&self, symbol: &str) -> bool {
        self.peek() == Some(Tok::Symbol(symbol))
    }

    pub fn word(&mut self, word: &str) -> bool {
        let is = self.is(word);
        self.at += usize::from(is);
        is
    }

    pub fn symbol(&mut self, symbol: &str) -> bool {
        let is = self.sees(symbol);
        self.at += usize::from(is);
        is
    }

    /// As many of these words as stand here.
    pub fn words(&mut self, words: &[&str]) -> bool {
        let mut any = false;
        while self.is_any(words) {
            self.at += 1;
            any = true;
        }
        any
    }

    /// Passes over a token that has no place.
    pub fn skip(&mut self) {
        self.lost = true;
        self.at += 1;
    }

    /// From an opening parenthesis to behind the one that closes it.
    pub fn skip_group(&mut self) {
        let mut depth = 0usize;
        while let Some(token) = self.next() {
            match token {
                Tok::Symbol("(" | "[") => depth += 1,
                Tok::Symbol(")" | "]") => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// How far ahead the token behind the parenthesis stands that opens here.
    pub fn behind_group(&self) -> usize {
        let mut depth = 0usize;
        let mut ahead = 0;
        while let Some(token) = self.ahead(ahead) {
            ahead += 1;
            match token {
                Tok::Symbol("(") => depth += 1,
                Tok::Symbol(")") => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        ahead
    }

    /// A closing parenthesis; what stands before it has no place.
    pub fn close(&mut self, symbol: &str) {
        while !self.symbol(symbol) {
            match self.peek() {
                None => {
                    self.lost = true;
                    return;
                }
                Some(Tok::Symbol("(" | "[")) => {
                    self.lost = true;
                    self.skip_group();
                }
                Some(_) => self.skip(),
            }
        }
    }

    /// A name that may stand here as an alias or a column.
    pub fn name(&mut self) -> Option<&'a str> {
        match self.peek()? {
            Tok::Word(word) if words::stops(word) => None,
            Tok::Word(name) | Tok::Name(name) => {
                self.at += 1;
                Some(name)
            }
            _ => None,
        }
    }

    /// `a`, `a.b`, `a.b.c`: the last two parts. Behind a dot any word is a name.
    pub fn path(&mut self) -> Option<Column<'a>> {
        let mut name = self.name()?;
        let mut qualifier = None;
        while self.sees(".") && matches!(self.ahead(1), Some(Tok::Word(_) | Tok::Name(_))) {
            self.at += 1;
            if let Some(Tok::Word(next) | Tok::Name(next)) = self.next() {
                (qualifier, name) = (Some(name), next);
            }
        }
        Some(Column { qualifier, name })
    }

    pub fn table(&mut self, path: &Column<'a>, written: bool) {
        let named = path.qualifier.is_none() && self.is_named(path.name);
        if named || (path.qualifier.is_none() && path.name == "dual") {
            let scope = self.scope;
            if let Some(scope) = self.scopes.get_mut(scope).filter(|_| named) {
                scope.derived.push(path.name);
                scope.has_derived = true;
            }
            return;
        }
        if self.shape.tables.len() == MAX_TABLES {
            self.lost = true;
            return;
        }
        let place = self.shape.tables.len();
        self.shape.tables.push(Table {
            schema: path.qualifier.map(str::to_owned),
            name: path.name.to_owned(),
            alias: None,
            written,
        });
        if let Some(scope) = self.scopes.get_mut(self.scope) {
            scope.tables.push(place);
        }
    }

    /// Whether a common table expression of this name is in sight.
    fn is_named(&self, name: &str) -> bool {
        let mut at = Some(self.scope);
        while let Some(scope) = at.and_then(|at| self.scopes.get(at)) {
            if scope.named.contains(&name) {
                return true;
            }
            at = scope.outer;
        }
        false
    }

    pub fn found(&mut self, found: Found<'a>) {
        if self.found.len() == MAX_USES {
            self.lost = true;
        } else {
            self.found.push(found);
        }
    }
}

fn collect<'a>(lexer: impl Iterator<Item = Result<Token<'a>, Stop>>) -> (Vec<Tok<'a>>, bool) {
    let mut tokens = Vec::new();
    for token in lexer {
        if tokens.len() == MAX_TOKENS {
            return (tokens, true);
        }
        match token {
            Ok(Token::Word(word, _)) => tokens.push(Tok::Word(word)),
            Ok(Token::Name(name)) => tokens.push(Tok::Name(unquoted(name))),
            Ok(Token::Quoted(name)) => tokens.push(Tok::Name(name)),
            Ok(Token::Value | Token::Mark) => tokens.push(Tok::Value),
            Ok(Token::List) => tokens.push(Tok::Values),
            Ok(Token::Symbol(symbol)) => tokens.push(Tok::Symbol(symbol)),
            Err(_) => return (tokens, true),
        }
    }
    (tokens, false)
}

fn unquoted(name: &str) -> &str {
    let inner = name.find('"').and_then(|quote| name.get(quote + 1..name.len() - 1));
    inner.unwrap_or(name)
}
