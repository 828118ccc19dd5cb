//! Insert, update, delete, merge.

use super::parser::{Column, Found, Parser, Tok};
use super::{Role, Verb};

impl<'a> Parser<'a> {
    pub fn insert(&mut self, verb: Verb) {
        self.verb(verb);
        self.next();
        self.words(&["low_priority", "delayed", "high_priority", "ignore", "into", "overwrite"]);
        self.source(true);
        if self.is("as")
            || !self.is_any(&["values", "value", "default", "overriding", "select", "set", "with", "table"])
        {
            self.insert_alias();
        }
        if self.sees("(") && !self.begins_query() {
            self.skip_group();
        }
        if self.word("overriding") {
            self.words(&["user", "system", "value"]);
        }
        if self.is("default") && self.ahead(1) == Some(Tok::Word("values")) {
            self.next();
            self.next();
        } else if self.mysql && self.is_any(&["values", "value"]) {
            self.next();
            self.rows();
        } else if self.word("set") {
            self.assignments();
        } else {
            self.subquery();
        }
        if self.word("as") {
            self.name();
            if self.sees("(") {
                self.skip_group();
            }
        }
        self.on_conflict();
        self.returning();
    }

    pub fn insert_alias(&mut self) {
        let alias = self.alias();
        if let (Some(alias), Some(table)) = (alias, self.shape.tables.last_mut()) {
            table.alias = Some(alias.to_owned());
        }
    }

    pub fn on_conflict(&mut self) {
        if !self.word("on") {
            return;
        }
        if self.word("duplicate") {
            self.words(&["key", "update"]);
            self.duplicate = true;
            self.assignments();
            self.duplicate = false;
            return;
        }
        self.word("conflict");
        if let Some(scope) = self.scopes.get_mut(self.scope) {
            scope.derived.push("excluded");
        }
        if self.sees("(") {
            self.skip_group();
            if self.word("where") {
                self.value();
            }
        } else if self.word("on") {
            self.word("constraint");
            self.name();
        }
        self.word("do");
        if self.words(&["nothing"]) {
            return;
        }
        if self.is("select") {
            self.next();
            self.words(&["for", "update", "share", "no", "key"]);
        } else {
            self.word("update");
            self.word("set");
            self.assignments();
        }
        if self.word("where") {
            self.value();
        }
    }

    /// `a = …, (b, c) = …`.
    pub fn assignments(&mut self) {
        loop {
            if self.symbol("(") {
                while self.target() {
                    self.symbol(",");
                }
                self.close(")");
            } else if !self.target() {
                self.lost = true;
                return;
            }
            if !self.symbol("=") && !self.symbol(":=") {
                self.lost = true;
            }
            self.value();
            if !self.symbol(",") {
                return;
            }
        }
    }

    /// `a`, `a[1]`, `a.b`.
    pub fn target(&mut self) -> bool {
        let Some(path) = self.path() else { return false };
        self.assigned(path);
        while self.sees("[") || self.sees(".") {
            if self.symbol(".") {
                self.next();
            } else {
                self.skip_group();
            }
        }
        true
    }

    pub fn assigned(&mut self, path: Column<'a>) {
        // To PostgreSQL `a.b` is the field of a column here.
        let column = match path.qualifier {
            Some(name) if !self.mysql => Column { qualifier: None, name },
            _ => path,
        };
        let scope = self.scope;
        self.found(Found {
            scope,
            column,
            other: None,
            role: Role::Assigned,
            operator: "",
            wrapped: Vec::new(),
            under_or: false,
        });
    }

    pub fn update(&mut self) {
        self.verb(Verb::Update);
        self.next();
        self.words(&["low_priority", "ignore"]);
        let place = self.shape.tables.len();
        self.sources();
        if let Some(table) = self.shape.tables.get_mut(place) {
            table.written = true;
        }
        if self.word("set") {
            self.assignments();
        }
        if self.word("from") {
            self.sources();
        }
        self.chosen();
    }

    pub fn delete(&mut self) {
        self.verb(Verb::Delete);
        self.next();
        self.words(&["low_priority", "quick", "ignore"]);
        let place = self.shape.tables.len();
        let mut targets = Vec::new();
        if !self.is("from") {
            // `delete a, b from a join b`: names of what stands behind `from`.
            targets = self.targets();
        }
        self.word("from");
        let several = targets.is_empty() && self.is_targets();
        if several {
            targets = self.targets();
        } else if targets.is_empty() {
            self.source(false);
        } else {
            self.sources();
        }
        if self.word("using") {
            self.sources();
        }
        let first = targets.is_empty();
        for (at, table) in self.shape.tables.iter_mut().enumerate().skip(place) {
            let name = table.alias.as_deref().unwrap_or(&table.name);
            table.written = if first { at == place } else { targets.contains(&name) };
        }
        self.chosen();
    }

    pub fn targets(&mut self) -> Vec<&'a str> {
        let mut targets = Vec::new();
        while let Some(path) = self.path() {
            targets.push(path.name);
            if self.symbol(".") {
                self.symbol("*");
            }
            if !self.symbol(",") {
                break;
            }
        }
        targets
    }

    /// `delete from a, b using …`, and `delete from a using a join …` of MySQL, where `a` is a name only.
    pub fn is_targets(&self) -> bool {
        let mut ahead = 0;
        while matches!(self.ahead(ahead), Some(Tok::Word(_) | Tok::Name(_)))
            && matches!(self.ahead(ahead + 1), Some(Tok::Symbol("." | ",")))
        {
            ahead += 2;
        }
        self.mysql && self.ahead(ahead + 1) == Some(Tok::Word("using"))
    }

    /// Behind the tables of an update or a delete.
    pub fn chosen(&mut self) {
        if self.word("where") {
            if self.is("current") && self.ahead(1) == Some(Tok::Word("of")) {
                self.next();
                self.next();
                self.next();
            } else {
                self.condition();
            }
        }
        self.tail(true);
        self.returning();
    }

    pub fn returning(&mut self) {
        if !self.word("returning") {
            return;
        }
        if self.is("with") {
            self.next();
            self.skip_group();
        }
        let star = self.shape.star;
        self.results();
        self.shape.star = star;
        if self.word("into") {
            self.name();
        }
    }

    pub fn merge(&mut self) {
        self.verb(Verb::Merge);
        self.next();
        self.word("into");
        let place = self.shape.tables.len();
        self.source(false);
        if let Some(table) = self.shape.tables.get_mut(place) {
            table.written = true;
        }
        self.word("using");
        self.sources();
        while self.word("when") {
            self.words(&["not", "matched", "by", "source", "target"]);
            if self.word("and") {
                self.value();
            }
            self.word("then");
            self.words(&["do", "nothing", "delete"]);
            if self.word("update") {
                self.word("set");
                self.assignments();
            } else if self.word("insert") {
                if self.sees("(") {
                    self.skip_group();
                }
                self.words(&["overriding", "user", "system", "value"]);
                self.words(&["default"]);
                if self.word("values") && self.sees("(") {
                    self.rows();
                }
            }
        }
        self.returning();
    }
}
