//! What was learned of tables and is kept, where the server would open them to tell it again.

use crate::model::Name;
use std::collections::{BTreeMap, HashSet};

/// Something of each table, schema by schema.
#[derive(Debug)]
pub struct Kept<T>(BTreeMap<Name, BTreeMap<String, T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Kept<T> {
    pub fn of(&mut self, schema: &Name) -> &mut BTreeMap<String, T> {
        self.0.entry(schema.clone()).or_default()
    }

    pub fn each(&self, schema: &Name) -> impl Iterator<Item = (&String, &T)> {
        self.0.get(schema).into_iter().flatten()
    }

    pub fn get(&self, schema: &Name, table: &str) -> Option<&T> {
        self.0.get(schema)?.get(table)
    }

    /// Of how many of these nothing is known.
    pub fn unknown(&self, schema: &Name, tables: &[Box<str>]) -> usize {
        tables.iter().filter(|table| self.get(schema, table).is_none()).count()
    }

    /// Forgets a schema that is no more.
    pub fn forget(&mut self, schema: &Name) {
        self.0.remove(schema);
    }

    /// Forgets the tables that are no more.
    pub fn retain(&mut self, schema: &Name, tables: &HashSet<&str>) {
        if let Some(known) = self.0.get_mut(schema) {
            known.retain(|table, _| tables.contains(table.as_str()));
        }
    }
}
