//! Queries and the statements that write.

use super::parser::{Parser, Tok};
use super::{Shape, Verb};

pub(super) fn read(mut parser: Parser) -> Shape {
    parser.level = 1;
    parser.statement();
    parser.symbol(";");
    parser.lost |= parser.peek().is_some();
    parser.resolve()
}

impl<'a> Parser<'a> {
    pub fn statement(&mut self) {
        self.with();
        match self.peek() {
            Some(Tok::Word("insert")) => self.insert(Verb::Insert),
            Some(Tok::Word("replace")) => self.insert(Verb::Replace),
            Some(Tok::Word("update")) => self.update(),
            Some(Tok::Word("delete")) => self.delete(),
            Some(Tok::Word("merge")) => self.merge(),
            Some(Tok::Word("select" | "table" | "values") | Tok::Symbol("(")) => {
                self.verb(if self.is("values") { Verb::Values } else { Verb::Select });
                self.query();
            }
            _ => self.lost = true,
        }
    }

    pub fn verb(&mut self, verb: Verb) {
        if self.level == 1 {
            self.shape.verb = Some(verb);
        }
    }

    /// `with recursive a (x) as not materialized (…) search … cycle …, b as (…)`.
    pub fn with(&mut self) {
        if !self.word("with") {
            return;
        }
        self.words(&["recursive"]);
        loop {
            let Some(name) = self.name() else {
                self.lost = true;
                return;
            };
            if let Some(scope) = self.scopes.get_mut(self.scope) {
                scope.named.push(name);
            }
            if self.sees("(") {
                self.skip_group();
            }
            self.word("as");
            self.words(&["not", "materialized"]);
            self.symbol("(");
            self.inside(|parser| parser.statement());
            self.close(")");
            self.search_or_cycle();
            if !self.symbol(",") {
                return;
            }
        }
    }

    pub fn search_or_cycle(&mut self) {
        if !self.is_any(&["search", "cycle"]) {
            return;
        }
        const HEADS: &[&str] =
            &["select", "insert", "update", "delete", "merge", "values", "table", "replace"];
        while !self.is_any(HEADS) && self.peek().is_some() {
            // A comma may stand between columns, or before the next expression with its `as (`.
            let next = self.sees(",") && matches!(self.ahead(2), Some(Tok::Word("as") | Tok::Symbol("(")));
            if next {
                return;
            }
            self.next();
        }
    }
}
