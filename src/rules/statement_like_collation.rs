use crate::model::{Collation, Database, Finding, Flavour, Index, Name, Severity, Topic};
use crate::rule::pattern::{self, Found, Searches};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Index whose order does not serve LIKE
///
/// A statement looks for texts that begin in some way (`like 'abc%'`), the column is indexed, and yet the table is read whole: the
/// index is in the order of a language, and what begins alike need not stand together in it.
///
/// ## Why it hurts
///
/// The index finds `= 'abc'` and sorts by it, so nothing seems to be missing. Each search for a beginning looks at every row, and
/// takes longer with each that is added.
///
/// ## What to do
///
/// Build a second index in the order of bytes, with `text_pattern_ops`. It finds equal texts as well, so the first is only needed for
/// its order and for what it enforces.
///
/// ## When this page is wrong
///
/// It knows the runs that `auto_explain` has put in the log with `log_analyze`: statistics of statements do not tell where a pattern
/// begins. It speaks only where the pattern is all that is compared. Of a collation whose order the server does not tell, such as
/// `C.UTF-8` of some systems for a single column, it says nothing.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StatementLikeCollation(Searches);

impl Rule for StatementLikeCollation {
    const ID: &'static str = "statement-like-collation";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] =
        &[Topic::LogEvents, Topic::Tables, Topic::Columns, Topic::Indexes, Topic::Databases];
    const LOOKS_BACK_AT: &'static [Topic] = &[];

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        self.0.habit.has_seen_enough(seen)
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        // Both cases of a letter stand in two places, whatever the order.
        let is_beginning = |pattern: &crate::model::plan::Pattern| pattern.begins && !pattern.folds_case;
        self.0.findings(seen, is_beginning, |found| finding(seen, found)).into_iter()
    }
}

/// Families of operators that compare bytes, of text, varchar and char: their numbers are the same in every server.
const OF_BYTES: [&str; 3] = ["4217", "4218", "4219"];
/// The collations `default`, `C` and `POSIX`.
const DEFAULT: &str = "100";
const C: [&str; 2] = ["950", "951"];

fn finding(seen: &Seen<'_>, found: &Found<'_, '_>) -> Option<Finding> {
    let Found { known, table, column, fault } = found;
    let database = &fault.key.database;
    let indexes: Vec<&Index> = known.begins_with(table, column).filter(|index| index.is_usable()).collect();
    let is_hidden = |index: &&Index| !first(&index.operator_classes).is_some_and(|class| OF_BYTES.contains(&class))
        && first(&index.collations).is_some_and(|collation| is_of_a_language(seen, database, collation));
    if indexes.is_empty() || !indexes.iter().all(is_hidden) {
        return None;
    }
    let hidden = indexes.first()?;
    let class = pattern::class_of(column)?;
    let because = format!(
        "{}: the index {} is in the order of a language, where these do not stand together",
        found.sentence("letters"),
        hidden.index
    );
    let keys = [format!("{} {class}", script::identifier(&column.column))];
    let fix = known.create_index_on(table, "btree", &format!("{}_pattern", column.column), &keys);
    let advice = format!("Build an index in the order of bytes ({class}); equal texts are found by it as well.");
    let mut finding = fault.finding(StatementLikeCollation::ID, because, found.numbers(), advice, Some(fix));
    finding.evidence.insert("index".into(), json!(hidden.full_name()));
    finding.subject = found.name();
    finding.severity = Severity::Warning;
    Some(finding)
}

fn first(list: &str) -> Option<&str> {
    list.split(' ').next()
}

/// Is what this collation sorts certainly not in the order of bytes?
fn is_of_a_language(seen: &Seen<'_>, database: &Name, collation: &str) -> bool {
    if C.contains(&collation) {
        return false;
    }
    if collation == DEFAULT {
        return seen.now.rows::<Database>().any(|own| own.database == *database && of_the_database(own));
    }
    // Only collations whose library has a version are told, and byte order needs none. The server's own are in it.
    let mut told = seen.now.rows::<Collation>().filter(|own| own.database.as_ref() == Some(database));
    told.any(|own| own.oid.to_string() == collation && matches!(&*own.provider, "c" | "i"))
}

fn of_the_database(own: &Database) -> bool {
    match (own.locale_provider.as_deref().unwrap_or("c"), own.collation.as_deref()) {
        ("c", Some(name)) => !["C", "POSIX"].contains(&name),
        ("i", _) => true,
        _ => false,
    }
}
