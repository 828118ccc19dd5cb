use crate::config::Span;
use crate::model::{Confidence, Finding, Function, Name, Severity, Stretch, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// # Trigger, function or event that works hard
///
/// Much of the server's time goes into a program that is stored in it and that no statement of the application names: a
/// trigger, a function, or an event.
///
/// ## Why it hurts
///
/// It is hidden. The list of statements shows a plain INSERT that takes long, or a SELECT that examines few rows and still
/// needs the processor, and neither its text nor its plan tells why: a trigger runs for each row that is written, a function
/// for each row that is looked at.
///
/// ## What to do
///
/// Look at what it does for one row: the statements that it runs stand in the list of statements by themselves, and what is
/// slow there wants an index like any other. Then whether it must run so often: a function in a condition can be asked once,
/// what a trigger keeps up to date row by row can be added up once for each statement, or by the application.
///
/// ## When this page is wrong
///
/// When this work is what the database is for, and was looked at. Silence the program. The time of a program has the time of
/// everything that it calls in it, so one may be named for the sake of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FunctionDominant {
    /// Sessions that it keeps busy on average. Calibrated by us: as for a statement that dominates.
    min_load: f64,
    /// Kinds that are not meant: who calls a procedure names it in a statement, and the pages about statements speak of that.
    ignore: Vec<String>,
    /// The time over which it is counted, at least. Calibrated by us: a minute can be one report.
    min_window: Span,
}

impl Default for FunctionDominant {
    fn default() -> Self {
        Self { min_load: 0.25, ignore: vec!["procedure".to_owned()], min_window: Span::secs(300) }
    }
}

impl Rule for FunctionDominant {
    const ID: &'static str = "function-dominant";
    const NEEDS: &'static [Topic] = &[Topic::Functions];

    fn span(&self) -> Duration {
        self.min_window.get()
    }

    fn has_seen_enough(&self, seen: &Seen<'_>) -> bool {
        seen.stretches_of::<Function>(self.min_window).next().is_some()
    }

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let is_meant = move |function: &&Function| !self.ignore.iter().any(|kind| *kind == *function.kind);
        seen.stretches_of::<Function>(self.min_window).flat_map(move |(stretch, functions)| {
            let works_hard = move |function: &&Function| function.exec_seconds.float() >= self.min_load * stretch.seconds;
            functions.iter().filter(is_meant).filter(works_hard).map(move |function| finding(stretch, function).into())
        })
    }
}

fn finding(stretch: &Stretch, function: &Function) -> Finding {
    let name = format!("{}.{}", function.schema, function.function);
    let (calls, spent) = (function.calls.float(), function.exec_seconds.float());
    let load = spent / stretch.seconds;
    let each = |total: f64| total / calls.max(1.0);
    let examined = function.examined_rows.map(|rows| each(rows.float()));
    let looked = examined.map_or(String::new(), |rows| format!(", each looking at {} rows", script::count(rows)));
    Finding {
        rule: Name::new(FunctionDominant::ID),
        severity: Severity::Note,
        database: function.database.clone(),
        subject: name.clone(),
        because: format!(
            "{} {name} kept {load:.2} sessions busy over {}: {} runs of {}{looked}",
            function.kind,
            script::duration(stretch.seconds),
            script::count(calls),
            script::moment(each(spent)),
        ),
        evidence: evidence([
            ("load", json!(load)),
            ("calls", json!(calls)),
            ("mean_seconds", json!(each(spent))),
            ("statements_per_call", json!(function.statements.map(|count| each(count.float())))),
            ("examined_rows_per_call", json!(examined)),
            ("window_seconds", json!(stretch.seconds.round())),
        ]),
        advice: "Look at what it does for one row, and whether it must run so often. What to change depends on that, so there is no \
                 script."
            .into(),
        fix: None,
        confidence: Confidence::Measured,
    }
}
