//! A plan of a statement: what the server does, not with which values.
//!
//! The tree holds no literal. Of a plan that a log shows it knows only that a step filters; of one that we asked for
//! it has the conditions, with a `?` for each value. Its fingerprint is the shape, kinds of nodes with the tables and
//! indexes they read; numbers and conditions are not part of it.

use serde::{Deserialize, Serialize};

/// One step, with the steps whose rows it takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanNode {
    /// `Seq Scan`, `Nested Loop`: the server's word.
    pub kind: String,
    pub schema: Option<String>,
    pub relation: Option<String>,
    pub index: Option<String>,
    /// `Left`, `Semi`: of a join.
    pub join: Option<String>,
    /// How it goes about it where it can do so in several ways: `Hashed`, `Partial`, `Insert`.
    pub strategy: Option<String>,
    pub cost: Option<f64>,
    pub rows_expected: Option<f64>,
    /// Rows that one loop was expected to look at, where that is told beside what it lets through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads_expected: Option<f64>,
    /// Of all loops together.
    pub rows: Option<f64>,
    pub loops: Option<f64>,
    /// Of all loops together, with the steps below.
    pub seconds: Option<f64>,
    pub rows_removed: Option<f64>,
    pub buffers_hit: Option<f64>,
    pub buffers_read: Option<f64>,
    pub temp_written: Option<f64>,
    /// It looks at rows that it then throws away.
    pub filters: bool,
    /// Its conditions have places for values that were not known when it was planned.
    #[serde(default)]
    pub takes_values: bool,
    /// What the step above takes it for: `Outer`, `Inner`, `SubPlan`, `InitPlan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Only of plans that we asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Box<Terms>>,
    /// Only of runs, and of steps that have something to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Box<Work>>,
    pub children: Vec<PlanNode>,
}

/// What a step tests and sorts by, as the server words it, with a `?` for each value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// What its table is called in the statement.
    pub alias: Option<String>,
    /// By which rows are thrown away.
    pub filter: Option<String>,
    /// By which the index is searched.
    pub index: Option<String>,
    /// By which two sides are joined, whatever the way.
    pub join: Option<String>,
    pub sort: Vec<String>,
}

/// How a run of a step went where it can go well or badly. Of all loops together, but for what is said to be of one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// What a sort had in files, in bytes; zero if it had room in memory.
    pub sorted_on_disk: Option<f64>,
    /// Of that the share of the process that had most: each has memory of its own.
    pub sorted_on_disk_most: Option<f64>,
    /// How often a sort went over what it had in files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_passes: Option<f64>,
    /// Parts in which a hash was built and read because all of it had no room in memory.
    pub batches: Option<f64>,
    /// The most memory that a hash or a sort took, in bytes.
    pub memory: Option<f64>,
    /// What a hashed aggregate had in files, in bytes.
    pub hashed_on_disk: Option<f64>,
    /// Pages of which a bitmap knew the rows, and pages of which it only knew that there are some.
    pub exact_pages: Option<f64>,
    pub lossy_pages: Option<f64>,
    /// Rows that were thrown away when they were looked at again, of one loop.
    pub rechecked: Option<f64>,
    /// Pairs of rows that a join threw away, of one loop.
    pub unjoined: Option<f64>,
    /// Rows for which an index-only scan had to look into the table.
    pub heap_fetches: Option<f64>,
    pub workers_planned: Option<f64>,
    pub workers_launched: Option<f64>,
    /// What it looks for, where that is all by which it throws rows away.
    pub pattern: Option<Pattern>,
    /// Pairs of rows that a join has compared for want of a better way.
    pub compared: Option<f64>,
    /// By how many of its columns an index was searched.
    pub key_parts: Option<f64>,
    /// Conditions are tried on entries of the index, before their rows are read.
    pub index_filters: bool,
    /// Of the first step: what the statement has set off.
    pub triggers: Vec<Trigger>,
}

/// A pattern of `LIKE`, without its letters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pattern {
    pub column: String,
    /// It begins with a letter, and not with what stands for any.
    pub begins: bool,
    /// It is `ILIKE`.
    pub folds_case: bool,
    /// It has three letters beside each other.
    pub has_trigram: bool,
}

/// What a statement has set off, in all its calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trigger {
    pub name: Option<String>,
    /// The key that it keeps.
    pub constraint: Option<String>,
    pub relation: Option<String>,
    pub calls: f64,
    pub seconds: f64,
}

/// Steps of a plan; a larger one is cut, and its fingerprint is that of what is left.
pub const MAX_NODES: usize = 2000;
/// Steps below each other.
pub const MAX_DEPTH: usize = 100;
/// Triggers of one statement: there are rarely more on a table.
pub const MAX_TRIGGERS: usize = 100;

impl PlanNode {
    /// The shape on lines of their own, as deep as they lie: what the fingerprint is made of.
    pub fn shape(&self) -> String {
        let mut shape = String::new();
        self.draw(0, &mut shape);
        shape
    }

    fn draw(&self, depth: usize, shape: &mut String) {
        if depth > MAX_DEPTH {
            return;
        }
        for _ in 0..depth {
            shape.push_str("  ");
        }
        let words = [
            self.strategy.as_deref().map(|strategy| format!("{strategy} ")),
            Some(self.kind.clone()),
            self.join.as_deref().map(|join| format!(" {join}")),
            self.index.as_deref().map(|index| format!(" using {index}")),
            self.relation.as_deref().map(|relation| match &self.schema {
                Some(schema) => format!(" on {schema}.{relation}"),
                None => format!(" on {relation}"),
            }),
        ];
        words.iter().flatten().for_each(|word| shape.push_str(word));
        shape.push('\n');
        self.children.iter().for_each(|child| child.draw(depth + 1, shape));
    }

    pub fn alias(&self) -> Option<&str> {
        self.terms.as_ref()?.alias.as_deref()
    }

    /// Rows of one loop, where a run has told.
    pub fn rows_each(&self) -> Option<f64> {
        let loops = self.loops.filter(|loops| *loops > 0.0)?;
        Some(self.rows? / loops)
    }

    /// How the step went, where its run has something to tell.
    pub fn worked(&self, of: impl Fn(&Work) -> Option<f64>) -> Option<f64> {
        self.work.as_deref().and_then(of)
    }

    /// Is it the step that inserts, updates or deletes?
    pub fn writes(&self) -> bool {
        ["Insert", "Update", "Delete", "Merge", "Replace"].contains(&self.kind.as_str())
    }

    pub fn is_inner(&self) -> bool {
        self.place.as_deref() == Some("Inner")
    }

    pub fn filter(&self) -> Option<&str> {
        self.terms.as_ref()?.filter.as_deref()
    }

    /// The same for every plan of one shape.
    pub fn fingerprint(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.shape().as_bytes())
    }

    pub fn steps(&self) -> usize {
        1 + self.children.iter().map(PlanNode::steps).sum::<usize>()
    }

    /// This step and all below it, each with how many processes do it beside each other.
    pub fn each_beside<'a>(&'a self, processes: f64, see: &mut impl FnMut(&'a Self, f64)) {
        see(self, processes);
        let beside = processes * self.processes_below();
        self.children.iter().for_each(|child| child.each_beside(beside, see));
    }

    /// Workers, and whoever gathers what they bring.
    pub fn processes_below(&self) -> f64 {
        self.worked(|work| work.workers_launched).map_or(1.0, |workers| workers + 1.0)
    }

    /// This step and all below it.
    pub fn each<'a>(&'a self, see: &mut impl FnMut(&'a Self)) {
        see(self);
        self.children.iter().for_each(|child| child.each(see));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_knows_no_numbers() {
        let scan = |rows| PlanNode {
            kind: "Index Scan".into(),
            relation: Some("orders".into()),
            index: Some("orders_pkey".into()),
            rows: Some(rows),
            ..PlanNode::default()
        };
        let join = |rows| PlanNode {
            kind: "Nested Loop".into(),
            join: Some("Left".into()),
            children: vec![scan(rows), scan(2.0)],
            ..PlanNode::default()
        };
        let line = "  Index Scan using orders_pkey on orders\n";
        assert_eq!(join(1.0).shape(), format!("Nested Loop Left\n{line}{line}"));
        assert_eq!(join(1.0).fingerprint(), join(9.0).fingerprint());
        assert_ne!(join(1.0).fingerprint(), scan(1.0).fingerprint());
    }
}
