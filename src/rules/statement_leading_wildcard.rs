use crate::model::{Extension, Finding, Fix, Flavour, Index, Severity, Topic};
use crate::rule::pattern::{self, Found, Searches};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// # Pattern that may begin with anything
///
/// A statement looks for texts in which something stands anywhere (`like '%abc%'`), finds few of them, and looks at every row of a
/// table for that.
///
/// ## Why it hurts
///
/// An index in order finds what begins in some way, as in a dictionary. What ends in some way, or holds something, may stand on any
/// page. So each search reads all of them, and takes longer with each row that is added.
///
/// ## What to do
///
/// If it is a search for parts of words, build an index of their trigrams, with the extension `pg_trgm`. Words are found better by
/// full-text search; what ends in some way by an index on `reverse(…)`, compared with the reversed end. Or ask whether the
/// beginning is not known after all.
///
/// ## When this page is wrong
///
/// It knows the runs that `auto_explain` has put in the log with `log_analyze`: statistics of statements do not tell where a pattern
/// begins. It speaks only where the pattern is all that is compared, and has three letters beside each other. On a table that is
/// written all the time such an index may cost more than it saves. MySQL and MariaDB tell neither the pattern nor the plan.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StatementLeadingWildcard(Searches);

impl Rule for StatementLeadingWildcard {
    const ID: &'static str = "statement-leading-wildcard";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] =
        &[Topic::LogEvents, Topic::Tables, Topic::Columns, Topic::Indexes, Topic::Extensions];
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.0.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let is_anywhere = |pattern: &crate::model::plan::Pattern| !pattern.begins && pattern.has_trigram;
        self.0.findings(seen, is_anywhere, |found| finding(seen, found)).into_iter()
    }
}

fn finding(seen: &Seen<'_>, found: &Found<'_, '_>) -> Option<Finding> {
    let Found { known, table, column, fault } = found;
    // The planner had its reason then: too much has these letters.
    let may_serve = |index: &&Index| {
        ["gin", "gist"].contains(&&*index.access_method)
            && (index.has_expressions || index.searched_columns().contains(&column.position))
    };
    if known.indexes(table).iter().any(may_serve) {
        return None;
    }
    // Trigrams are of texts; of a padded one or a name there is nothing to take.
    let fix = pattern::class_of(column).map(|_| trigrams(seen, found));
    let advice = "Build an index of trigrams if parts of words are looked for, or have the beginning asked for as well.";
    let because = found.sentence("anything");
    let mut finding =
        fault.finding(StatementLeadingWildcard::ID, because, found.numbers(), advice.into(), fix);
    finding.subject = found.name();
    finding.severity = Severity::Note;
    Some(finding)
}

fn trigrams(seen: &Seen<'_>, found: &Found<'_, '_>) -> Fix {
    let Found { known, table, column, fault } = found;
    let database = &fault.key.database;
    let mut installed = seen.now.rows::<Extension>().filter(|own| own.database.as_ref() == Some(database));
    let extension = installed.find(|own| &*own.extension == "pg_trgm");
    let schema = extension.map_or("public", |own| &*own.schema);
    let class = format!("{}.gin_trgm_ops", script::identifier(schema));
    let keys = [format!("{} {class}", script::identifier(&column.column))];
    let mut fix = known.create_index_on(table, "gin", &format!("{}_trgm", column.column), &keys);
    if extension.is_none() {
        fix.sql.insert(1, "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;".into());
    }
    fix.caution = format!(
        "{} It is larger than one in order, and writes take longer with it. The extension stays when the index goes.",
        fix.caution
    );
    fix
}
