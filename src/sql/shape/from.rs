//! What stands behind `from`: tables, joins, derived tables, functions.

use super::Role;
use super::expression::Expr;
use super::parser::{Column, Found, MAX_DEPTH, Parser, Tok};

const JOINS: &[&str] =
    &["natural", "inner", "left", "right", "full", "outer", "cross", "join", "straight_join"];

impl<'a> Parser<'a> {
    /// Tables with commas and joins between them. A `using` behind the tables of a delete is none of theirs.
    pub fn sources(&mut self) {
        self.source(false);
        loop {
            if self.words(JOINS) || self.symbol(",") {
                self.source(false);
            } else if self.is("on") && !matches!(self.ahead(1), Some(Tok::Word("conflict" | "duplicate"))) {
                self.next();
                self.condition();
            } else if self.is("using") && self.ahead(1) == Some(Tok::Symbol("(")) {
                self.next();
                self.using();
            } else {
                return;
            }
        }
    }

    pub fn using(&mut self) {
        self.symbol("(");
        while let Some(name) = self.name() {
            let column = Column { qualifier: None, name };
            let scope = self.scope;
            self.found(Found {
                scope,
                column: column.clone(),
                other: Some(column),
                role: Role::Other,
                operator: "using",
                wrapped: Vec::new(),
                under_or: false,
            });
            self.symbol(",");
        }
        self.close(")");
        if self.word("as") {
            self.name();
        }
    }

    /// One table, derived table, function or parenthesis of joins.
    pub fn source(&mut self, written: bool) {
        if self.depth >= MAX_DEPTH {
            self.lost = true;
            return;
        }
        self.depth += 1;
        self.words(&["lateral"]);
        if self.symbol("{") {
            self.name();
            self.sources();
            self.symbol("}");
        } else if self.sees("(") {
            self.parenthesis();
        } else if self.is("rows") && self.ahead(1) == Some(Tok::Word("from")) {
            self.next();
            self.next();
            self.function();
        } else {
            self.relation(written);
        }
        self.depth -= 1;
    }

    pub fn parenthesis(&mut self) {
        self.symbol("(");
        if self.begins_query() {
            self.subquery();
            self.close(")");
            self.derived();
        } else {
            self.sources();
            self.close(")");
            if let Some(alias) = self.alias() {
                self.derive(alias);
            }
        }
    }

    pub fn relation(&mut self, written: bool) {
        let named = matches!(self.ahead(1), Some(Tok::Word(_) | Tok::Name(_) | Tok::Symbol("(")));
        if named && self.word("only") && self.symbol("(") {
            self.source(written);
            self.close(")");
            return self.table_alias();
        }
        let Some(path) = self.path() else {
            self.lost = true;
            return;
        };
        if self.sees("(") && !written {
            return self.function();
        }
        self.table(&path, written);
        self.symbol("*");
        if self.word("partition") {
            self.skip_group();
        }
        if !written {
            self.table_alias();
        }
    }

    /// An alias of the table that was read last, and what may stand beside it.
    pub fn table_alias(&mut self) {
        self.sample();
        if self.is("for") && matches!(self.ahead(1), Some(Tok::Word("system_time" | "portion"))) {
            self.next();
            self.next();
            self.words(&["as", "of", "all", "between", "and", "from", "to", "timestamp"]);
            while self.peek() == Some(Tok::Value) {
                self.next();
                self.words(&["and", "to", "timestamp"]);
            }
        }
        let alias = self.alias();
        if let (Some(alias), Some(table)) = (alias, self.shape.tables.last_mut()) {
            table.alias = Some(alias.to_owned());
        }
        if self.sees("(") && alias.is_some() {
            self.skip_group();
        }
        self.sample();
        while self.is_any(&["use", "force", "ignore"])
            && matches!(self.ahead(1), Some(Tok::Word("index" | "key")))
        {
            self.next();
            self.next();
            self.words(&["for", "join", "order", "group", "by"]);
            self.skip_group();
            self.symbol(",");
        }
    }

    pub fn sample(&mut self) {
        if self.word("tablesample") {
            self.path();
            self.skip_group();
            if self.word("repeatable") {
                self.skip_group();
            }
        }
    }

    pub fn function(&mut self) {
        self.symbol("(");
        if self.depth < MAX_DEPTH {
            self.loosely(")");
        } else {
            self.lost = true;
            self.close(")");
        }
        if self.is("with") && self.ahead(1) == Some(Tok::Word("ordinality")) {
            self.next();
            self.next();
        }
        self.derived();
    }

    /// `as x`, `x (a, b)`, `as (a int, b text)` behind what is no table.
    pub fn derived(&mut self) {
        self.sample();
        if let Some(scope) = self.scopes.get_mut(self.scope) {
            scope.has_derived = true;
        }
        if self.is("as") && self.ahead(1) == Some(Tok::Symbol("(")) {
            self.next();
        } else if let Some(alias) = self.alias() {
            self.derive(alias);
        }
        if self.sees("(") {
            self.skip_group();
        }
    }

    pub fn derive(&mut self, alias: &'a str) {
        if let Some(scope) = self.scopes.get_mut(self.scope) {
            scope.derived.push(alias);
            scope.has_derived = true;
        }
    }

    /// Behind `as` any word is a name.
    pub fn alias(&mut self) -> Option<&'a str> {
        if !self.word("as") {
            return self.name();
        }
        match self.next()? {
            Tok::Word(name) | Tok::Name(name) => Some(name),
            _ => None,
        }
    }

    /// `group by`, `order by`: the columns by which rows are brought together.
    pub fn arrange(&mut self, expr: Expr<'a>, role: &Role) {
        match expr {
            Expr::Column(column, wrapped) => {
                let scope = self.scope;
                let column = match self.output(&column) {
                    Some(Some(source)) => source,
                    Some(None) => return,
                    None => column,
                };
                self.found(Found {
                    scope,
                    column,
                    other: None,
                    role: role.clone(),
                    operator: "",
                    wrapped,
                    under_or: false,
                });
            }
            Expr::Row(row) => row.into_iter().for_each(|expr| self.arrange(expr, role)),
            _ => {}
        }
    }

    /// What a name stands for that the query gave to one of its results.
    pub fn output(&self, column: &Column<'a>) -> Option<Option<Column<'a>>> {
        let scope = self.scopes.get(self.scope).filter(|_| column.qualifier.is_none())?;
        let (_, source) = scope.outputs.iter().find(|(name, _)| *name == column.name)?;
        Some(source.clone())
    }
}
