//! What stands between two operands.

use super::Wrap;
use super::expression::{Bind, Expr};
use super::parser::{MAX_DEPTH, Parser, Tok};
use super::words;

impl<'a> Parser<'a> {
    pub fn infix(&mut self, left: Expr<'a>, least: Bind, start: usize) -> Expr<'a> {
        let middle = self.found.len();
        match self.peek() {
            Some(Tok::Word("or" | "xor") | Tok::Symbol("||")) if least <= Bind::Or && self.is_or() => {
                let left = self.truth(left);
                self.next();
                let right = self.expr(Bind::And);
                self.truth(right);
                self.either(start, middle);
                left
            }
            Some(Tok::Word("and") | Tok::Symbol("&&")) if least <= Bind::And && self.is_and() => {
                self.truth(left);
                self.next();
                let right = self.expr(Bind::Not);
                self.truth(right);
                Expr::Condition
            }
            Some(Tok::Word(word)) if is_operator_word(word) => self.operator_word(left, word),
            Some(Tok::Word(word)) if least <= Bind::Compare => self.compare_word(left, word),
            Some(Tok::Symbol("::")) => {
                self.next();
                let to = self.type_name();
                wrap(left, Wrap::Cast(to))
            }
            Some(Tok::Symbol("[")) => {
                self.elements();
                wrap(left, Wrap::Operator("[]".to_owned()))
            }
            Some(Tok::Symbol(".")) => {
                self.next();
                match self.next() {
                    Some(Tok::Word(_) | Tok::Name(_) | Tok::Symbol("*")) => Expr::Value,
                    _ => Expr::Nothing,
                }
            }
            Some(Tok::Symbol("," | ")" | "]" | "(" | ";" | "}" | ":" | "{")) => left,
            Some(Tok::Symbol("@@" | "@?")) if self.mysql => left,
            Some(Tok::Value) if self.is_question() && !matches!(left, Expr::Nothing) => {
                self.operator(left, "?")
            }
            Some(Tok::Symbol(symbol)) if compares(symbol) => {
                if least > Bind::Compare {
                    return left;
                }
                self.next();
                let right = self.expr(Bind::Operator);
                self.compare(left, right, symbol)
            }
            Some(Tok::Symbol(symbol)) => self.operator(left, symbol),
            _ => left,
        }
    }

    /// `data ? 'key'`: an operator that looks like a placeholder.
    pub fn is_question(&self) -> bool {
        let operand = match self.ahead(1) {
            Some(Tok::Value | Tok::Name(_) | Tok::Symbol("(")) => true,
            Some(Tok::Word(word)) => !words::stops(word),
            _ => false,
        };
        operand && !self.mysql && self.peek() == Some(Tok::Value)
    }

    /// In PostgreSQL `||` joins texts and `&&` asks whether arrays overlap.
    pub fn is_or(&self) -> bool {
        self.mysql || !self.sees("||")
    }

    pub fn is_and(&self) -> bool {
        self.mysql || !self.sees("&&")
    }

    /// Words that bind as tightly as signs do.
    pub fn operator_word(&mut self, left: Expr<'a>, word: &'a str) -> Expr<'a> {
        match word {
            "collate" => {
                self.next();
                let name = self.path().map_or("", |path| path.name);
                wrap(left, Wrap::Collation(name.to_owned()))
            }
            "at" if matches!(self.ahead(1), Some(Tok::Word("time" | "local"))) => {
                self.next();
                if !self.word("local") {
                    self.words(&["time", "zone"]);
                    self.expr(Bind::Operator);
                }
                wrap(left, Wrap::Operator("at time zone".to_owned()))
            }
            "against" if self.ahead(1) == Some(Tok::Symbol("(")) => {
                self.next();
                self.next();
                self.loosely(")");
                left
            }
            "div" | "mod" => self.operator(left, word),
            "operator" if self.ahead(1) == Some(Tok::Symbol("(")) => {
                self.next();
                self.next();
                let mut symbol = "";
                while !self.symbol(")") {
                    match self.next() {
                        Some(Tok::Symbol(next)) => symbol = next,
                        Some(_) => {}
                        None => break,
                    }
                }
                let right = self.expr(Bind::Operator);
                self.compare(left, right, symbol)
            }
            _ => left,
        }
    }

    pub fn compare_word(&mut self, left: Expr<'a>, word: &'a str) -> Expr<'a> {
        let place = self.place();
        let not = self.word("not");
        let word = match (not, self.peek()) {
            (true, Some(Tok::Word(next))) => next,
            _ => word,
        };
        match word {
            "between" => {
                self.next();
                self.words(&["symmetric", "asymmetric"]);
                let low = self.expr(Bind::Operator);
                self.word("and");
                let high = self.expr(Bind::Operator);
                self.mention(high);
                self.compare(left, low, if not { "not between" } else { "between" })
            }
            "in" => {
                self.next();
                let right = if self.sees("(") { self.group() } else { self.expr(Bind::Operator) };
                if let (true, Expr::Query(only)) = (not, &right) {
                    self.not_among(only);
                }
                self.compare(left, right, if not { "not in" } else { "in" })
            }
            "like" | "ilike" | "regexp" | "similar" | "sounds" => {
                self.next();
                self.words(&["to", "like"]);
                let right = self.expr(Bind::Operator);
                if self.word("escape") {
                    self.expr(Bind::Operator);
                }
                let operator = match (not, word) {
                    (false, "like") => "like",
                    (false, "ilike") => "ilike",
                    (false, "regexp") => "regexp",
                    (false, "similar") => "similar to",
                    (false, _) => "sounds like",
                    (true, "like") => "not like",
                    (true, "ilike") => "not ilike",
                    (true, "regexp") => "not regexp",
                    (true, _) => "not similar to",
                };
                self.compare(left, right, operator)
            }
            "is" => self.is_test(left),
            "isnull" | "notnull" => {
                self.next();
                let operator = if word == "isnull" { "is null" } else { "is not null" };
                self.compare(left, Expr::Value, operator)
            }
            "overlaps" => {
                self.next();
                let right = self.expr(Bind::Operator);
                self.mention(left);
                self.mention(right);
                Expr::Condition
            }
            "member" if self.ahead(1) == Some(Tok::Word("of")) => {
                self.next();
                self.next();
                let right = self.expr(Bind::Operator);
                self.compare(left, right, "member of")
            }
            _ => {
                self.go_back(place);
                left
            }
        }
    }

    /// `is null`, `is not true`, `is distinct from …`, `is json object`, `is not nfc normalized`.
    pub fn is_test(&mut self, left: Expr<'a>) -> Expr<'a> {
        self.next();
        let not = self.word("not");
        if self.word("distinct") {
            self.word("from");
            let right = self.expr(Bind::Operator);
            return self.compare(left, right, if not { "is not distinct from" } else { "is distinct from" });
        }
        if self.word("of") {
            self.skip_group();
        }
        let null = self.is("null") || self.peek() == Some(Tok::Value);
        if self.peek() == Some(Tok::Value) {
            self.next();
        }
        self.words(&[
            "null",
            "true",
            "false",
            "unknown",
            "document",
            "normalized",
            "json",
            "object",
            "array",
            "scalar",
            "value",
            "with",
            "without",
            "unique",
            "keys",
        ]);
        let operator = match (null, not) {
            (true, false) => "is null",
            (true, true) => "is not null",
            (false, false) => "is",
            (false, true) => "is not",
        };
        self.compare(left, Expr::Value, operator)
    }

    /// Any operator that is no comparison: what it makes of a column is not the column.
    pub fn operator(&mut self, left: Expr<'a>, symbol: &'a str) -> Expr<'a> {
        self.next();
        let right = self.prefix_with_tail();
        if !is_arithmetic(symbol) && self.filtering {
            return self.compare(left, right, symbol);
        }
        let wrapped = Wrap::Operator(symbol.to_owned());
        match (left, right) {
            (left @ Expr::Column(..), Expr::Value | Expr::Query(_) | Expr::Row(_)) => wrap(left, wrapped),
            (Expr::Value | Expr::Query(_), right @ Expr::Column(..)) => wrap(right, wrapped),
            (left, right) => {
                self.mention(left);
                self.mention(right);
                Expr::Value
            }
        }
    }

    /// An operand with its casts and brackets.
    pub fn prefix_with_tail(&mut self) -> Expr<'a> {
        if self.depth >= MAX_DEPTH {
            self.lost = true;
            return Expr::Nothing;
        }
        self.depth += 1;
        let mut expr = self.prefix();
        loop {
            match self.peek() {
                Some(Tok::Symbol("::")) => {
                    self.next();
                    let to = self.type_name();
                    expr = wrap(expr, Wrap::Cast(to));
                }
                Some(Tok::Symbol("[")) => {
                    self.elements();
                }
                _ => break,
            }
        }
        self.depth -= 1;
        expr
    }
}

pub(super) fn wrap(expr: Expr<'_>, wrapped: Wrap) -> Expr<'_> {
    match expr {
        Expr::Column(column, mut all) => {
            all.push(wrapped);
            Expr::Column(column, all)
        }
        Expr::Condition | Expr::Nothing => Expr::Value,
        other => other,
    }
}

fn is_operator_word(word: &str) -> bool {
    matches!(word, "against" | "collate" | "at" | "div" | "mod" | "operator")
}

fn compares(symbol: &str) -> bool {
    matches!(symbol, "=" | "<" | ">" | "<=" | ">=" | "!=" | "<>" | "<=>" | ":=" | "=>")
}

fn is_arithmetic(symbol: &str) -> bool {
    matches!(
        symbol,
        "+" | "-"
            | "*"
            | "/"
            | "%"
            | "^"
            | "||"
            | "|"
            | "&"
            | "#"
            | "<<"
            | ">>"
            | "div"
            | "mod"
            | "->"
            | "->>"
            | "#>"
            | "#>>"
    )
}
