use super::text::{fill, indent};
use crate::command::{Exit, print};
use crate::config::width;
use crate::model::name::Names;
use crate::model::noun::Cell;
use crate::model::snapshot::TopicVisitor;
use crate::model::{InTopic, Kind, Metric, Topic};
use std::io;

/// List every metric: its name, type, labels and meaning
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn execute(_: &Args) -> io::Result<Exit> {
    let mut families: Vec<Family> = Topic::ALL.iter().flat_map(|topic| topic.visit(Families)).collect();
    families.sort_by_key(|family| family.metric.name());
    let room = width().saturating_sub(4);
    let told =
        families.iter().map(|family| format!("{family}\n{}", indent(&fill(family.metric.help, room), 4)));
    print(&told.collect::<String>())?;
    Ok(Exit::Fine)
}

struct Family {
    metric: &'static Metric,
    labels: Vec<&'static str>,
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let labels: String = self.labels.iter().map(|label| format!(",{label}")).collect();
        write!(f, "{}{{target{labels}}} {kind}", self.metric.name())
    }
}

struct Families;

impl TopicVisitor for Families {
    type Out = Vec<Family>;

    fn visit<N: InTopic>(self) -> Vec<Family> {
        let labels = labels::<N>();
        N::METRICS.iter().map(|metric| Family { metric, labels: labels.clone() }).collect()
    }
}

/// Only a row can name its labels, so one is made up: in each column what its field takes.
fn labels<N: InTopic>() -> Vec<&'static str> {
    let of = |cells: &[Cell<'_>]| {
        let mut labels = Vec::new();
        let row = N::read(&mut |nth| cells.get(nth).cloned().unwrap_or(Cell::Null), &mut Names::default());
        row.map(|row| row.labels(&mut |name, _| labels.push(name))).map(|()| labels)
    };
    // The text serves as a name and as a digest.
    let guesses = [Cell::Null, Cell::Text("0123456789abcdef".into()), Cell::Int(1), Cell::Bool(true)];
    let mut cells = vec![Cell::Null; N::COLUMNS.len()];
    let mut settle = |fits: &dyn Fn(&[Cell<'_>], &str) -> bool| {
        for (nth, column) in N::COLUMNS.iter().enumerate() {
            let before = cells.get(nth).cloned().unwrap_or(Cell::Null);
            for guess in guesses.iter().chain([&before]) {
                if let Some(cell) = cells.get_mut(nth) {
                    *cell = guess.clone();
                }
                if fits(&cells, column) {
                    break;
                }
            }
        }
        cells.clone()
    };
    // First no complaint about a column, then, as far as it is a label, a row that shows it.
    settle(&|cells, column| of(cells).map_or_else(|misfit| misfit.column != column, |_| true));
    let cells = settle(&|cells, column| of(cells).is_ok_and(|labels| labels.contains(&column)));
    of(&cells).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_listed_with_their_labels() {
        let families: Vec<Family> = Topic::ALL.iter().flat_map(|topic| topic.visit(Families)).collect();
        let calls = families.iter().find(|family| family.metric.name() == "dbsonde_statement_calls_total");
        let said = calls.unwrap().to_string();
        assert_eq!(said, "dbsonde_statement_calls_total{target,database,user,digest,toplevel} counter");
    }
}
