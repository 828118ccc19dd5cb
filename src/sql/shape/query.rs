//! Queries: scopes, arms, clauses.

use super::Role;
use super::expression::Expr;
use super::parser::{MAX_DEPTH, Only, Parser, Scope, Tok};

impl<'a> Parser<'a> {
    /// Reads something in a scope of its own, inside of the present one.
    pub fn inside(&mut self, read: impl FnOnce(&mut Self)) {
        if self.depth >= MAX_DEPTH {
            // Whoever reads on as long as queries begin must get on.
            return self.skip();
        }
        let (outer, filtering) = (self.scope, std::mem::replace(&mut self.filtering, false));
        self.scopes.push(Scope { outer: Some(outer), ..Scope::default() });
        self.scope = self.scopes.len() - 1;
        self.level += 1;
        self.depth += 1;
        read(self);
        self.depth -= 1;
        self.level -= 1;
        self.scope = outer;
        self.filtering = filtering;
    }

    /// Whether a query begins here. In parentheses it may also be an operand, `((select …) + 1)`, or a table,
    /// `((select …) a join b)`: what stands behind tells.
    pub fn begins_query(&self) -> bool {
        let mut ahead = 0;
        while ahead < MAX_DEPTH && self.ahead(ahead) == Some(Tok::Symbol("(")) {
            ahead += 1;
        }
        let next = self.ahead(ahead + 1);
        let begins = match self.ahead(ahead) {
            Some(Tok::Word("select")) => true,
            // Functions and columns may have these names.
            Some(Tok::Word("with")) => {
                next == Some(Tok::Word("recursive"))
                    || matches!(self.ahead(ahead + 2), Some(Tok::Word("as") | Tok::Symbol("(")))
            }
            Some(Tok::Word("table")) => matches!(next, Some(Tok::Word(_) | Tok::Name(_))),
            Some(Tok::Word("values")) => {
                matches!(next, Some(Tok::Symbol("(") | Tok::Word("row"))) && !self.mysql_values(ahead)
            }
            _ => false,
        };
        begins && (ahead == 0 || self.goes_on_as_query())
    }

    pub fn goes_on_as_query(&self) -> bool {
        let behind = self.behind_group();
        matches!(
            self.ahead(behind),
            None | Some(
                Tok::Symbol(")" | ";" | "]")
                    | Tok::Word(
                        "union"
                            | "except"
                            | "intersect"
                            | "minus"
                            | "order"
                            | "limit"
                            | "offset"
                            | "fetch"
                            | "for"
                            | "on"
                    )
            )
        )
    }

    /// `values (a)` in `on duplicate key update` is a function.
    pub fn mysql_values(&self, ahead: usize) -> bool {
        self.mysql && self.ahead(ahead + 1) != Some(Tok::Word("row")) && ahead == 0 && self.duplicate
    }

    pub fn subquery(&mut self) -> Only<'a> {
        let mut only = None;
        self.inside(|parser| {
            parser.with();
            only = parser.query();
        });
        only
    }

    /// Arms with `union` and its like between them, and what orders and limits the whole.
    pub fn query(&mut self) -> Only<'a> {
        let mut arms = 0;
        let mut only;
        loop {
            arms += 1;
            only = self.arm(arms);
            if !self.words(&["union", "except", "intersect", "minus"]) {
                break;
            }
            self.words(&["all", "distinct"]);
        }
        self.tail(false);
        only.filter(|_| arms == 1)
    }

    pub fn arm(&mut self, arms: usize) -> Only<'a> {
        if self.depth >= MAX_DEPTH {
            self.lost = true;
            self.skip_group();
            return None;
        }
        // An arm has its own names; its clauses are as far out as the whole.
        let outer = self.scope;
        self.scopes.push(Scope { outer: Some(outer), ..Scope::default() });
        self.scope = self.scopes.len() - 1;
        self.depth += 1;
        let mut only = None;
        if self.symbol("(") {
            self.with();
            only = self.query();
            self.close(")");
        } else if self.word("table") {
            self.shape.star |= self.level == 1;
            self.source(false);
            self.tail(arms == 1);
        } else if self.word("values") {
            self.rows();
            self.tail(false);
        } else if self.is("select") {
            only = self.select();
            self.tail(arms == 1);
        } else {
            self.lost = true;
        }
        self.depth -= 1;
        self.scope = outer;
        only
    }

    pub fn rows(&mut self) {
        loop {
            self.words(&["row"]);
            if !self.sees("(") {
                self.lost = true;
                return;
            }
            self.value();
            if !self.symbol(",") {
                return;
            }
        }
    }

    pub fn select(&mut self) -> Only<'a> {
        self.word("select");
        if self.is("distinct") {
            self.shape.distinct |= self.level == 1;
        }
        self.words(&[
            "all",
            "distinct",
            "straight_join",
            "high_priority",
            "sql_small_result",
            "sql_big_result",
            "sql_buffer_result",
            "sql_no_cache",
            "sql_cache",
            "sql_calc_found_rows",
        ]);
        if self.word("on") {
            self.skip_group();
        }
        let only = self.results();
        self.into();
        if self.word("from") {
            self.sources();
        }
        if self.word("where") {
            self.condition();
        }
        if self.word("group") {
            self.word("by");
            self.words(&["all", "distinct"]);
            self.list(|parser, expr| parser.arrange(expr, &Role::Group));
            if self.word("with") {
                self.words(&["rollup"]);
            }
        }
        if self.word("having") {
            self.value();
        }
        if self.word("window") {
            loop {
                self.name();
                self.word("as");
                self.skip_group();
                if !self.symbol(",") {
                    break;
                }
            }
        }
        only
    }

    /// The select list.
    pub fn results(&mut self) -> Only<'a> {
        let mut is_first = true;
        loop {
            self.shape.star |= self.level == 1 && self.is_star();
            let expr = self.value();
            // The alias may be a text, and in a digest text one literal with what follows.
            while self.is("as") && matches!(self.ahead(1), Some(Tok::Value | Tok::Values)) {
                self.next();
                self.next();
            }
            let alias = self.alias();
            let source = match expr {
                Expr::Column(column, wrapped) if wrapped.is_empty() => Some(column),
                _ => None,
            };
            if let (Some(alias), Some(scope)) = (alias, self.scopes.get_mut(self.scope)) {
                scope.outputs.push((alias, source.clone()));
            }
            let only = source.filter(|_| is_first).map(|column| (self.scope, column));
            if !self.symbol(",") {
                return only;
            }
            is_first = false;
        }
    }

    pub fn is_star(&self) -> bool {
        let mut ahead = 0;
        while matches!(self.ahead(ahead), Some(Tok::Word(_) | Tok::Name(_)))
            && self.ahead(ahead + 1) == Some(Tok::Symbol("."))
        {
            ahead += 2;
        }
        self.ahead(ahead) == Some(Tok::Symbol("*"))
    }

    /// `into temp table x`, `into outfile ?`, `into @?, @?`.
    pub fn into(&mut self) {
        if !self.word("into") {
            return;
        }
        self.words(&["temp", "temporary", "unlogged", "local", "global", "table"]);
        if self.is_any(&["outfile", "dumpfile"]) {
            while !self.is("from") && !self.sees(")") && self.peek().is_some() {
                self.next();
            }
            return;
        }
        loop {
            if !self.symbol("@?") {
                self.path();
            }
            if !self.symbol(",") {
                return;
            }
        }
    }

    /// What may follow a query. The order of a union is by its results.
    pub fn tail(&mut self, arranges: bool) {
        loop {
            let outermost = self.level == 1;
            match self.peek() {
                Some(Tok::Word("order")) => {
                    self.next();
                    self.word("by");
                    self.sort(arranges);
                }
                Some(Tok::Word("limit")) => {
                    self.next();
                    self.shape.limit |= outermost;
                    self.shape.offset |= outermost && self.peek() == Some(Tok::Values);
                    self.value();
                    if self.symbol(",") {
                        self.shape.offset |= outermost;
                        self.value();
                    }
                }
                Some(Tok::Word("offset")) => {
                    self.next();
                    self.shape.offset |= outermost;
                    self.value();
                    self.words(&["row", "rows"]);
                }
                Some(Tok::Word("fetch")) => {
                    self.next();
                    self.shape.limit |= outermost;
                    self.words(&["first", "next"]);
                    self.value();
                    self.words(&["row", "rows", "only", "with", "ties"]);
                }
                Some(Tok::Word("for" | "lock")) => {
                    self.next();
                    self.shape.locks_rows |= outermost;
                    self.words(&["update", "share", "no", "key", "in", "mode", "read", "only"]);
                    if self.word("of") {
                        while self.path().is_some() && self.symbol(",") {}
                    }
                    self.words(&["nowait", "skip", "locked", "wait"]);
                }
                Some(Tok::Word("into")) => self.into(),
                Some(Tok::Word("procedure")) => {
                    self.next();
                    self.value();
                }
                _ => return,
            }
        }
    }

    pub fn sort(&mut self, arranges: bool) {
        self.list(|parser, expr| {
            let descending = parser.is("desc");
            parser.words(&["asc", "desc"]);
            if parser.word("using") {
                parser.next();
                if parser.sees("(") {
                    parser.skip_group();
                }
            }
            if parser.word("nulls") {
                parser.words(&["first", "last"]);
            }
            if arranges {
                parser.arrange(expr, &Role::Sort { descending });
            }
        });
    }
}
