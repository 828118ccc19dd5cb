//! Which table a column belongs to.

use super::parser::{Column, Found, Parser};
use super::{Role, Shape, Use};

impl Parser<'_> {
    /// The end of reading: every use gets its table.
    pub fn resolve(mut self) -> Shape {
        let found = std::mem::take(&mut self.found);
        let mut uses = Vec::with_capacity(found.len());
        let mut correlated = false;
        for found in found {
            if found.operator == "using" {
                uses.extend(self.shared(&found));
                continue;
            }
            let (mut table, far) = self.table_of(found.scope, &found.column);
            correlated |= far;
            let mut is_bound = false;
            if found.role == Role::Assigned && found.column.qualifier.is_none() {
                table = table.or_else(|| self.target_of(found.scope));
            }
            let role = match &found.other {
                Some(other) => {
                    let (table, other_far) = self.table_of(found.scope, other);
                    correlated |= other_far;
                    is_bound = other_far && !far;
                    Role::Join { table, column: other.name.to_owned() }
                }
                None => found.role.clone(),
            };
            uses.push(Use {
                table,
                column: found.column.name.to_owned(),
                role,
                operator: found.operator.to_owned(),
                wrapped: found.wrapped,
                under_or: found.under_or,
                correlated: is_bound,
            });
        }
        self.shape.uses = uses;
        self.shape.correlated = correlated;
        self.shape.understood = !self.lost;
        self.shape
    }

    /// The one table that a statement writes.
    fn target_of(&self, scope: usize) -> Option<usize> {
        let written = |place: &&usize| self.shape.tables.get(**place).is_some_and(|table| table.written);
        let mut targets = self.scopes.get(scope)?.tables.iter().filter(written);
        targets.next().copied().filter(|_| targets.next().is_none())
    }

    /// `using (a)` compares the two tables of a query; of more tables nobody can tell which two are meant.
    fn shared(&self, found: &Found) -> Vec<Use> {
        let tables = self.scopes.get(found.scope).map(|scope| scope.tables.as_slice()).unwrap_or_default();
        let pairs = match tables {
            [a, b] => vec![(Some(*a), Some(*b)), (Some(*b), Some(*a))],
            _ => vec![(None, None)],
        };
        let used = |(table, other)| Use {
            table,
            column: found.column.name.to_owned(),
            role: Role::Join { table: other, column: found.column.name.to_owned() },
            operator: "=".to_owned(),
            wrapped: Vec::new(),
            under_or: false,
            correlated: false,
        };
        pairs.into_iter().map(used).collect()
    }

    /// The table, and whether it stands in a query further out.
    pub fn table_of(&self, scope: usize, column: &Column) -> (Option<usize>, bool) {
        let Some(qualifier) = column.qualifier else {
            let only = self.scopes.get(scope).filter(|scope| !scope.has_derived);
            return match only.map(|scope| scope.tables.as_slice()) {
                Some([only]) => (Some(*only), false),
                _ => (None, false),
            };
        };
        let mut at = Some(scope);
        let mut crossed = false;
        while let Some(scope) = at.and_then(|at| self.scopes.get(at)) {
            let called = |place: &&usize| {
                let table = self.shape.tables.get(**place);
                table.is_some_and(|table| table.alias.as_deref().unwrap_or(&table.name) == qualifier)
            };
            if let Some(place) = scope.tables.iter().find(called) {
                return (Some(*place), crossed);
            }
            if scope.derived.contains(&qualifier) {
                return (None, crossed);
            }
            crossed |= !scope.tables.is_empty() || scope.has_derived;
            at = scope.outer;
        }
        (None, false)
    }
}
