//! What pages about plans share: the statements that matter with their plans, and when a plan is asked for.
//!
//! A plan here is the one that serves every value, and its numbers are the planner's. So no page speaks from a plan
//! alone: what it suspects must show in what the statement was measured to cost.

use super::Seen;
use super::catalogue::{Catalogue, live_rows, size};
use super::statement::{self, Ran};
use crate::config::{ByteSize, Span};
use crate::model::plan::PlanNode;
use crate::model::question::Question;
use crate::model::{Column, Finding, Flavour, InTopic, Name, Scope, Table, Topic};
use crate::plans::History;
use crate::rule::Word;
use crate::sql::shape::{self, Shape, Wrap};
use crate::sql::{self, Dialect};
use crate::workload::{Cost, Sum};
use std::collections::{BTreeSet, HashMap};

/// Statements whose plans are asked for: the dearest.
const MAX_ASKED: usize = 20;
/// Seconds per second below which nobody would mend a statement.
const MIN_LOAD: f64 = 0.001;
/// What is counted over less is not yet known to be dear.
const MIN_WINDOW: Span = Span::secs(10);
/// A plan is asked for again after so long; sooner where the pace has changed, later where it was refused.
const AGAIN: f64 = 600.0;
const SOON: f64 = 60.0;
const REFUSED_AGAIN: f64 = 3_600.0;

/// Pages that one row may take on its way: of the table, of an index, of its map.
const BYTES_ROUND_A_ROW: f64 = 3.0 * 8192.0;

/// A statement that matters, with its plan.
#[derive(Debug, Clone)]
pub struct Planned<'a> {
    pub ran: Ran<'a>,
    pub history: &'a History,
    pub plan: &'a PlanNode,
}

impl Planned<'_> {
    pub fn shape(&self) -> Shape {
        shape::read(Dialect::Postgres, self.ran.text)
    }

    /// What the rows that a run returns may take, if they are of this table: generously, with all that is kept beside it.
    pub fn returned_bytes(&self, table: &Table) -> Option<f64> {
        let toast = table.toast_size_bytes.map_or(0.0, |bytes| bytes.float());
        let of_row = (size(table) + toast) / live_rows(table)?.max(1.0);
        let rows = self.ran.cost.each(self.ran.cost.rows).max(1.0);
        Some(rows * (of_row + BYTES_ROUND_A_ROW))
    }
}

/// The dearest statements whose present plan is known.
pub fn statements<'a>(seen: &Seen<'a>, min_window: Span) -> Vec<Planned<'a>> {
    let Some(sum) = statement::lately(seen, min_window) else { return Vec::new() };
    // Hundreds have plans where twenty thousand have run.
    let planned = seen.plans.each().filter_map(|(key, _)| {
        let history = seen.plans.believed(key, seen.at)?;
        let ran = statement::query(seen, &sum, key)?;
        Some(Planned { plan: &history.present()?.plan, history, ran })
    });
    let mut planned: Vec<Planned<'a>> = planned.collect();
    planned.sort_by(|a, b| b.ran.cost.exec_seconds.total_cmp(&a.ran.cost.exec_seconds));
    planned
}

/// Silence of a page about plans means something once there are plans; where there never will be any, it has nothing
/// more to wait for.
pub fn has_seen_enough(seen: &Seen<'_>, min_window: Span) -> bool {
    statement::has_seen_enough(seen, min_window) && !(seen.explains && seen.plans.is_empty())
}

/// The plans that are wanted now: of the dearest statements, those that are not known, old, or in doubt.
pub fn questions(seen: &Seen<'_>) -> Vec<Word> {
    if !seen.explains || seen.flavour != Flavour::Postgres {
        return Vec::new();
    }
    let is_dear = |cost: &Cost, sum: &Sum| sum.rate(cost.exec_seconds) >= MIN_LOAD;
    let dear =
        statement::all_queries(seen, MIN_WINDOW, |_, cost, sum| is_dear(cost, sum), |cost| cost.exec_seconds);
    let readable = dear.into_iter().filter(|ran| looks_for_rows(ran.text)).take(MAX_ASKED);
    let due = readable.filter(|ran| seen.plans.of(&ran.key).is_none_or(|history| is_due(history, seen.at)));
    due.filter_map(|ran| {
        let schemas = schemas(seen, &ran)?;
        Some(Question::Plan { database: ran.key.database.clone(), digest: ran.key.digest, schemas }.into())
    })
    .collect()
}

fn is_due(history: &History, at: f64) -> bool {
    let pause = match &history.refused {
        Some(_) => REFUSED_AGAIN,
        None if history.is_in_doubt() => SOON,
        None => AGAIN,
    };
    at - history.asked_at >= pause
}

/// Only what begins so is planned at all, and of writes those that look for rows.
fn looks_for_rows(text: &str) -> bool {
    let first = text.trim_start_matches('(').split(' ').next().unwrap_or_default();
    let is_one = |words: &[&str]| words.iter().any(|word| first.eq_ignore_ascii_case(word));
    is_one(&["select", "with", "update", "delete"]) || is_one(&["insert"]) && text.contains(" select ")
}

/// The schemas that the names of its tables stand for. The search path of who sent it is not known: a name that two
/// schemas have is not taken to be either.
fn schemas(seen: &Seen<'_>, ran: &Ran<'_>) -> Option<Vec<Name>> {
    let place = (Topic::Tables, Scope::Database(ran.key.database.clone()));
    let tables = Table::of(&seen.now.parts.get(&place)?.rows);
    let read = shape::read(Dialect::Postgres, ran.text);
    let mut schemas = BTreeSet::new();
    for name in read.tables.iter().filter(|table| table.schema.is_none()).map(|table| table.name.as_str()) {
        let mut of_name = tables.iter().filter(|table| &*table.table == name).map(|table| &table.schema);
        match (of_name.next(), of_name.next()) {
            (Some(schema), None) => drop(schemas.insert(schema.clone())),
            (Some(_), Some(_)) => return None,
            // A view, perhaps.
            (None, _) => drop(schemas.insert(Name::new("public"))),
        }
    }
    Some(schemas.into_iter().collect())
}

/// What is known of the tables that these plans read, by database.
pub fn catalogues<'a>(seen: &Seen<'a>, planned: &[Planned<'a>]) -> HashMap<Name, Catalogue<'a>> {
    let mut names: HashMap<Name, BTreeSet<String>> = HashMap::new();
    for one in planned {
        let of_database = names.entry(one.ran.key.database.clone()).or_default();
        one.plan.each(&mut |node| of_database.extend(node.relation.clone()));
    }
    let of = |(database, names): (Name, BTreeSet<String>)| {
        let known = Catalogue::of(seen, &database, &names);
        (database, known)
    };
    names.into_iter().map(of).collect()
}

/// What makes a statement dear enough to speak of.
#[derive(Debug, Clone, Copy)]
pub struct Dear {
    pub min_window: Span,
    pub min_calls: f64,
    pub min_load: f64,
}

impl Dear {
    /// The statements with their plans, and what is known of their tables.
    pub fn statements<'a>(&self, seen: &Seen<'a>) -> (Vec<Planned<'a>>, HashMap<Name, Catalogue<'a>>) {
        let is_dear = |planned: &Planned<'_>| {
            planned.ran.cost.calls >= self.min_calls && planned.ran.load() >= self.min_load
        };
        let mut dear = statements(seen, self.min_window);
        dear.retain(is_dear);
        let known = catalogues(seen, &dear);
        (dear, known)
    }
}

/// What makes a read of a whole table a waste.
#[derive(Debug, Clone, Copy)]
pub struct Wasteful {
    pub min_bytes: ByteSize,
    pub max_share: f64,
    pub min_read: f64,
}

impl Wasteful {
    /// What a page has to say of the first such read of each dear statement, as many as a page names.
    pub fn findings<'a>(
        &self,
        seen: &Seen<'a>,
        dear: Dear,
        judge: impl Fn(&Catalogue<'a>, &Planned<'a>, &Waste<'a>) -> Option<Finding>,
    ) -> Vec<Word> {
        let (dear, known) = dear.statements(seen);
        let of = |planned: Planned<'a>| {
            let known = known.get(&planned.ran.key.database)?;
            self.reads(known, &planned).iter().find_map(|waste| judge(known, &planned, waste)).map(Word::from)
        };
        dear.into_iter().filter_map(of).take(statement::MAX_NAMED).collect()
    }

    /// The steps of a plan that read a whole table and keep at most a share of it, where the statement was measured to
    /// go through at least the other share in each run.
    pub fn reads<'a>(&self, known: &Catalogue<'a>, planned: &Planned<'a>) -> Vec<Waste<'a>> {
        let touched = planned.ran.cost.each(planned.ran.cost.touched_bytes);
        let waste = |node: &'a PlanNode| -> Option<Waste<'a>> {
            node.filter().filter(|_| node.kind == "Seq Scan")?;
            let table = known
                .table(node.relation.as_deref()?)
                .filter(|table| !table.is_partition && &*table.kind == "r")?;
            let expected = node.rows_expected? * sharing(node);
            let is_large = size(table) >= self.min_bytes.get() as f64;
            let is_selective = expected <= self.max_share * live_rows(table)?;
            let is_read = touched >= self.min_read * size(table);
            (is_large && is_selective && is_read).then_some(Waste { node, table, expected })
        };
        let mut found = Vec::new();
        planned.plan.each(&mut |node| found.extend(waste(node)));
        found
    }
}

/// How many share a step of a plan, at most: what the planner expects is of one worker, and there are rarely more than three.
pub fn sharing(step: &PlanNode) -> f64 {
    if step.strategy.as_deref() == Some("Parallel") { 3.0 } else { 1.0 }
}

/// A read of a whole large table for few of its rows.
#[derive(Debug)]
pub struct Waste<'a> {
    pub node: &'a PlanNode,
    pub table: &'a Table,
    /// Rows that the planner expects to be wanted.
    pub expected: f64,
}

/// What a step tests the columns of its table for, read from its own words.
pub fn tests_of(node: &PlanNode, condition: &str) -> Shape {
    let table = node.relation.as_deref().unwrap_or_default();
    let alias = node.alias().unwrap_or(table);
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let text = format!("select * from {} {} where {condition}", quoted(table), quoted(alias));
    shape::read(Dialect::Postgres, &text)
}

/// What hides a column from whoever looks for its values; none for a cast between types whose values are stored alike.
pub fn hiding(column: &Column, wrapped: &[Wrap]) -> Option<String> {
    wrapped.iter().find_map(|wrap| match wrap {
        Wrap::Function(name) => Some(format!("the function {name}")),
        Wrap::Cast(to) if !(is_text(&column.data_type) && is_text(to)) => Some(format!("a cast to {to}")),
        Wrap::Operator(operator) => Some(format!("the operator {operator}")),
        Wrap::Cast(_) | Wrap::Collation(_) => None,
    })
}

pub fn is_text(data_type: &str) -> bool {
    let texts = ["text", "varchar", "character", "bpchar", "char", "name", "citext"];
    texts.iter().any(|name| data_type.starts_with(name))
}

/// As a sentence names a step.
pub fn excerpt(condition: &str) -> String {
    sql::shorten(condition, 120)
}
