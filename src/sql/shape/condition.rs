//! What a condition says of its columns.

use super::expression::Expr;
use super::parser::{Column, Found, Only, Parser};
use super::{NotIn, Role, Wrap};

impl<'a> Parser<'a> {
    /// An expression in the place of a condition.
    pub fn truth(&mut self, expr: Expr<'a>) -> Expr<'a> {
        if self.filtering {
            match expr {
                Expr::Column(column, wrapped) if wrapped.is_empty() => {
                    self.find(column, wrapped, None, Role::Truth, "");
                }
                other => self.mention(other),
            }
        }
        Expr::Condition
    }

    /// Columns of which nothing more is known than that they decide.
    pub fn mention(&mut self, expr: Expr<'a>) {
        if !self.filtering {
            return;
        }
        match expr {
            Expr::Column(column, wrapped) => self.find(column, wrapped, None, Role::Other, ""),
            Expr::Row(row) => row.into_iter().for_each(|expr| self.mention(expr)),
            Expr::Value | Expr::Query(_) | Expr::Condition | Expr::Nothing => {}
        }
    }

    pub fn compare(&mut self, left: Expr<'a>, right: Expr<'a>, operator: &'a str) -> Expr<'a> {
        if !self.filtering {
            return Expr::Condition;
        }
        match (left, right) {
            (Expr::Column(a, wrapped), Expr::Column(b, others)) => {
                self.find(a.clone(), wrapped, Some(b.clone()), Role::Other, operator);
                self.find(b, others, Some(a), Role::Other, operator);
            }
            (Expr::Column(column, wrapped), right) => {
                let role = role(operator, &right);
                self.mention(right);
                self.find(column, wrapped, None, role, operator);
            }
            (left @ (Expr::Value | Expr::Query(_) | Expr::Condition), Expr::Column(column, wrapped)) => {
                let role = role(operator, &left);
                self.find(column, wrapped, None, role, operator);
            }
            (Expr::Row(left), Expr::Row(right)) if left.len() == right.len() => {
                for (left, right) in left.into_iter().zip(right) {
                    self.compare(left, right, operator);
                }
            }
            (Expr::Row(left), right) => {
                self.mention(right);
                for left in left {
                    self.compare(left, Expr::Query(None), operator);
                }
            }
            (left, right) => {
                self.mention(left);
                self.mention(right);
            }
        }
        Expr::Condition
    }

    pub fn find(
        &mut self,
        column: Column<'a>,
        wrapped: Vec<Wrap>,
        other: Option<Column<'a>>,
        role: Role,
        operator: &'a str,
    ) {
        let scope = self.scope;
        self.found(Found { scope, column, other, role, operator, wrapped, under_or: false });
    }

    /// A `not in` with a query.
    pub fn not_among(&mut self, only: &Only<'a>) {
        let Some((scope, column)) = only.as_ref().filter(|_| self.filtering) else { return };
        if let (Some(table), false) = self.table_of(*scope, column) {
            self.denied.push(self.found.len());
            self.shape.not_in.push(NotIn { table, column: column.name.to_owned() });
        }
    }

    /// What is denied or an alternative is no condition that each row must meet.
    fn need_not_be_met(&mut self, start: usize) {
        let met = self.denied.iter().take_while(|before| **before < start).count();
        self.denied.truncate(met);
        self.shape.not_in.truncate(met);
    }

    /// Behind a `not` no index narrows anything down.
    pub fn deny(&mut self, start: usize) {
        self.need_not_be_met(start);
        for found in self.found.iter_mut().skip(start) {
            if matches!(found.role, Role::Equal | Role::Range | Role::In | Role::Like) {
                found.role = Role::Unlike;
            }
        }
    }

    /// Both sides of an `or` have been read: what was found from `start` on, the right one from `middle` on.
    pub fn either(&mut self, start: usize, middle: usize) {
        self.need_not_be_met(start);
        let (left, right) = self.found.get_mut(start..).unwrap_or_default().split_at_mut(middle - start);
        let differs = |column: &Column, side: &[Found]| side.iter().all(|found| found.column != *column);
        let across = !left.is_empty()
            && !right.is_empty()
            && (left.iter().any(|found| differs(&found.column, right))
                || right.iter().any(|found| differs(&found.column, left)));
        self.shape.or_across_columns |= across && self.filtering;
        left.iter_mut().chain(right).for_each(|found| found.under_or = true);
    }
}

fn role(operator: &str, other: &Expr) -> Role {
    match operator {
        "=" | "<=>" if matches!(other, Expr::Row(_)) => Role::In,
        "=" | "<=>" => Role::Equal,
        "<" | ">" | "<=" | ">=" | "between" => Role::Range,
        "in" => Role::In,
        "like" | "ilike" | "regexp" | "similar to" | "sounds like" => Role::Like,
        "is null" | "is not null" => Role::Null,
        "is" | "is not" => Role::Truth,
        "~" | "~*" | "~~" | "~~*" | "^@" => Role::Like,
        "is not distinct from" => Role::Equal,
        "!=" | "<>" | "is distinct from" | "!~" | "!~*" | "!~~" | "!~~*" => Role::Unlike,
        _ if operator.starts_with("not ") => Role::Unlike,
        _ => Role::Other,
    }
}
