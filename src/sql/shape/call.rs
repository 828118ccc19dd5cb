//! Functions, casts, `case`, and the names of types.

use super::Wrap;
use super::expression::{Bind, Expr};
use super::parser::{MAX_DEPTH, Parser, Tok};
use super::words;

impl<'a> Parser<'a> {
    pub fn call(&mut self, name: &'a str) -> Expr<'a> {
        self.symbol("(");
        if words::aggregates(name) && self.level == 1 {
            self.shape.counts_rows |= name == "count" && self.sees("*");
            let known = self.shape.aggregates.iter().any(|known| known == name);
            if !known && self.shape.aggregates.len() < 32 {
                self.shape.aggregates.push(name.to_owned());
            }
        }
        let mut args = if self.depth < MAX_DEPTH {
            self.depth += 1;
            let args = self.loosely(")");
            self.depth -= 1;
            args
        } else {
            self.lost = true;
            self.go_back(self.place() - 1);
            self.skip_group();
            Vec::new()
        };
        self.call_tail();
        if self.peek() == Some(Tok::Value) && !self.is_question() {
            // `varchar (10) 'x'` is a literal.
            self.next();
            return Expr::Value;
        }
        let columns = args.iter().filter(|arg| matches!(arg, Expr::Column(..))).count();
        if columns == 1
            && let Some(at) = args.iter().position(|arg| matches!(arg, Expr::Column(..)))
            && let Expr::Column(column, mut wrapped) = args.swap_remove(at)
        {
            wrapped.push(Wrap::Function(name.to_owned()));
            return Expr::Column(column, wrapped);
        }
        for arg in args {
            self.mention(arg);
        }
        Expr::Value
    }

    /// `filter (where …)`, `over (…)`, `within group (…)`.
    pub fn call_tail(&mut self) {
        loop {
            if self.is("filter") && self.ahead(1) == Some(Tok::Symbol("(")) || self.is("over") {
                self.next();
            } else if self.is("within") {
                self.next();
                self.word("group");
            } else if self.is_any(&["ignore", "respect"]) && self.ahead(1) == Some(Tok::Word("nulls")) {
                self.next();
                self.next();
                continue;
            } else {
                return;
            }
            if self.symbol("(") {
                let before = std::mem::replace(&mut self.filtering, false);
                self.loosely(")");
                self.filtering = before;
            } else {
                self.name();
            }
        }
    }

    pub fn cast(&mut self) -> Expr<'a> {
        let name = self.name().unwrap_or_default();
        self.symbol("(");
        let inner = self.expr(Bind::Or);
        let mut to = name.to_owned();
        if self.word("as") || self.symbol(",") {
            to = self.type_name();
        }
        self.loosely(")");
        match inner {
            Expr::Column(column, mut wrapped) => {
                wrapped.push(Wrap::Cast(to));
                Expr::Column(column, wrapped)
            }
            other => other,
        }
    }

    pub fn case(&mut self) -> Expr<'a> {
        self.next();
        let before = std::mem::replace(&mut self.filtering, false);
        let mut parts = Vec::new();
        while !self.word("end") {
            let place = self.place();
            match self.expr(Bind::Or) {
                Expr::Nothing if self.place() == place => {
                    if !self.words(&["when", "then", "else"]) {
                        self.lost = true;
                        break;
                    }
                }
                part => parts.push(part),
            }
        }
        self.filtering = before;
        parts.into_iter().for_each(|part| self.mention(part));
        Expr::Value
    }

    /// The name of a type, with its arguments and brackets.
    pub fn type_name(&mut self) -> String {
        let mut name = String::new();
        self.words(&["setof"]);
        if let Some(Tok::Word(_) | Tok::Name(_)) = self.peek() {
            let first = self.path().map(|path| path.name);
            name.push_str(first.unwrap_or_default());
        }
        self.type_tail();
        name
    }

    pub fn type_tail(&mut self) {
        loop {
            let tail = matches!(self.peek(), Some(Tok::Word(word)) if words::goes_on_with_type(word));
            let zone = self.is("with") && self.ahead(1) == Some(Tok::Word("time"));
            if tail || zone {
                self.next();
            } else if matches!(self.peek(), Some(Tok::Symbol("(" | "["))) {
                self.skip_group();
            } else {
                return;
            }
        }
    }
}
