//! Expressions: by precedence where it matters to conditions, loosely inside the parentheses of functions.

use super::Wrap;
use super::parser::{Column, MAX_DEPTH, Only, Parser, Tok};
use super::words;

/// What an expression was, as far as a comparison around it must know.
#[derive(Debug)]
pub(super) enum Expr<'a> {
    Column(Column<'a>, Vec<Wrap>),
    /// No column in it, or too many to tell.
    Value,
    Query(Only<'a>),
    /// Elements of a row or a list.
    Row(Vec<Expr<'a>>),
    /// A condition; its columns have been found already.
    Condition,
    /// Nothing stood here that could be read.
    Nothing,
}

/// How tightly the operators of conditions bind; all others bind tighter than these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bind {
    Or,
    And,
    Not,
    Compare,
    Operator,
}

impl<'a> Parser<'a> {
    /// A condition that chooses rows.
    pub fn condition(&mut self) {
        let before = std::mem::replace(&mut self.filtering, true);
        let expr = self.expr(Bind::Or);
        self.truth(expr);
        self.filtering = before;
    }

    /// Any expression whose conditions choose nothing.
    pub fn value(&mut self) -> Expr<'a> {
        let before = std::mem::replace(&mut self.filtering, false);
        let expr = self.expr(Bind::Or);
        self.filtering = before;
        expr
    }

    /// Expressions between commas, each to `each`.
    pub fn list(&mut self, mut each: impl FnMut(&mut Self, Expr<'a>)) {
        loop {
            let expr = self.value();
            each(self, expr);
            if !self.symbol(",") {
                return;
            }
        }
    }

    pub fn expr(&mut self, least: Bind) -> Expr<'a> {
        if self.depth >= MAX_DEPTH {
            self.lost = true;
            return Expr::Nothing;
        }
        self.depth += 1;
        let start = self.found.len();
        let mut left = self.prefix();
        loop {
            let place = self.place();
            left = self.infix(left, least, start);
            if self.place() == place {
                break;
            }
        }
        self.depth -= 1;
        left
    }

    /// What stands to the left of all operators.
    pub fn prefix(&mut self) -> Expr<'a> {
        let start = self.found.len();
        if self.mysql && self.symbol("@?") {
            return Expr::Value;
        }
        if self.mysql && self.symbol("@@") {
            self.path();
            return Expr::Value;
        }
        while matches!(self.peek(), Some(Tok::Symbol(sign)) if is_prefix(sign)) {
            self.next();
        }
        match self.peek() {
            Some(Tok::Values) => {
                self.next();
                Expr::Row(Vec::new())
            }
            Some(Tok::Value | Tok::Symbol("*")) => {
                self.next();
                Expr::Value
            }
            Some(Tok::Symbol("(")) => self.group(),
            Some(Tok::Symbol("[")) => self.elements(),
            Some(Tok::Symbol("{")) => {
                self.next();
                self.name();
                let inner = self.expr(Bind::Or);
                self.symbol("}");
                inner
            }
            Some(Tok::Word(word)) => self.word_expr(word, start),
            Some(Tok::Name(_)) => self.named(),
            _ => Expr::Nothing,
        }
    }

    pub fn word_expr(&mut self, word: &'a str, start: usize) -> Expr<'a> {
        let calls = self.ahead(1) == Some(Tok::Symbol("("));
        match word {
            "not" => {
                self.next();
                let inner = self.expr(Bind::Not);
                let inner = self.truth(inner);
                self.deny(start);
                inner
            }
            "case" => self.case(),
            "exists" | "unique" | "any" | "some" | "all" if calls => {
                self.next();
                match self.group() {
                    // The array of `= any (…)` counts like a list.
                    Expr::Query(only) => Expr::Query(only),
                    _ => Expr::Row(Vec::new()),
                }
            }
            "row" if calls => {
                self.next();
                self.group()
            }
            "array" if matches!(self.ahead(1), Some(Tok::Symbol("[" | "("))) => {
                self.next();
                self.prefix_with_tail()
            }
            "operator" if calls => {
                self.next();
                self.skip_group();
                self.prefix_with_tail()
            }
            "collation" if self.ahead(1) == Some(Tok::Word("for")) => {
                self.next();
                self.next();
                self.prefix_with_tail()
            }
            "grouping" if self.ahead(1) == Some(Tok::Word("sets")) => {
                self.next();
                self.next();
                self.group()
            }
            "cast" | "try_cast" | "treat" | "convert" if calls => self.cast(),
            "interval" if !calls && !matches!(self.ahead(1), Some(Tok::Symbol(_))) => {
                self.next();
                self.expr(Bind::Operator);
                while matches!(self.peek(), Some(Tok::Word(word)) if words::is_unit(word) || word == "to") {
                    self.next();
                    if self.sees("(") {
                        self.skip_group();
                    }
                }
                Expr::Value
            }
            "binary" | "prior" | "distinct" if !calls => {
                self.next();
                self.prefix_with_tail()
            }
            "default" if !calls => {
                self.next();
                Expr::Value
            }
            "null" | "true" | "false" | "unknown" => {
                self.next();
                Expr::Value
            }
            _ if words::stops(word) && !(calls && words::is_function_too(word)) => Expr::Nothing,
            _ => self.named(),
        }
    }

    /// A column, a function, or a type before its literal.
    pub fn named(&mut self) -> Expr<'a> {
        let path = match self.path() {
            Some(path) => path,
            None => match self.next() {
                Some(Tok::Word(name)) => Column { qualifier: None, name },
                _ => return Expr::Nothing,
            },
        };
        if self.word("uescape") {
            self.next();
        }
        if self.sees("(") {
            return self.call(path.name);
        }
        if self.sees(".") && self.ahead(1) == Some(Tok::Symbol("*")) {
            self.next();
            self.next();
            return Expr::Value;
        }
        // `date ?`, `timestamp with time zone ?`, `double precision ?`.
        let place = self.place();
        self.type_tail();
        if self.peek() == Some(Tok::Value) && !self.is_question() {
            self.next();
            self.words(&["to", "day", "hour", "minute", "second", "year", "month"]);
            return Expr::Value;
        }
        self.go_back(place);
        if path.qualifier.is_none() && is_constant(path.name) {
            return Expr::Value;
        }
        Expr::Column(path, Vec::new())
    }

    /// `( query )`, `( expression )`, `( a, b )`.
    pub fn group(&mut self) -> Expr<'a> {
        if self.depth >= MAX_DEPTH {
            self.lost = true;
            self.skip_group();
            return Expr::Value;
        }
        self.symbol("(");
        if self.begins_query() {
            let only = self.subquery();
            self.close(")");
            return Expr::Query(only);
        }
        let mut row = Vec::new();
        loop {
            row.push(self.expr(Bind::Or));
            if !self.symbol(",") {
                break;
            }
        }
        // `((select …) union …)` and a row alias are read loosely.
        self.loosely(")");
        let only = row.pop();
        match only {
            Some(Expr::Nothing) if row.is_empty() => Expr::Row(row),
            Some(only) if row.is_empty() => only,
            Some(last) => {
                row.push(last);
                Expr::Row(row)
            }
            None => Expr::Row(row),
        }
    }

    /// `[ a, b ]`.
    pub fn elements(&mut self) -> Expr<'a> {
        self.symbol("[");
        self.depth += 1;
        if self.depth < MAX_DEPTH {
            self.loosely("]");
        } else {
            self.lost = true;
            self.close("]");
        }
        self.depth -= 1;
        Expr::Row(Vec::new())
    }

    /// Reads to the closing sign whatever stands there, as functions have grammars of their own: `trim(both ? from
    /// a)`, `json_object(key a value b)`, `a order by b separator ?`. Subqueries and columns are found all the same.
    pub fn loosely(&mut self, close: &str) -> Vec<Expr<'a>> {
        let mut all = Vec::new();
        while !self.symbol(close) {
            if self.peek().is_none() {
                self.lost = true;
                break;
            }
            if self.begins_query() {
                let only = self.subquery();
                all.push(Expr::Query(only));
                continue;
            }
            let place = self.place();
            match self.expr(Bind::Or) {
                Expr::Nothing if self.place() == place => {
                    if matches!(self.peek(), Some(Tok::Symbol("(" | "["))) {
                        self.skip_group();
                    } else if self.is("as") {
                        self.next();
                        self.type_name();
                    } else {
                        self.next();
                    }
                }
                expr => all.push(expr),
            }
        }
        all
    }
}

fn is_prefix(symbol: &str) -> bool {
    matches!(
        symbol,
        "-" | "+" | "~" | "!" | "@-" | "@" | "|/" | "||/" | "!!" | "@@" | "?-" | "?|" | "#" | "!~" | "@+"
    )
}

/// What is called without parentheses and is no column.
fn is_constant(name: &str) -> bool {
    matches!(
        name,
        "current_date"
            | "current_time"
            | "current_timestamp"
            | "localtime"
            | "localtimestamp"
            | "current_user"
            | "current_role"
            | "session_user"
            | "user"
            | "current_catalog"
            | "current_schema"
            | "now"
            | "curdate"
            | "curtime"
            | "utc_date"
            | "utc_time"
            | "utc_timestamp"
    )
}
