use super::text::{fill, indent};
use crate::command::{Exit, print};
use crate::config::width;
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
    labels: &'static [&'static str],
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
        N::METRICS.iter().map(|metric| Family { metric, labels: N::LABELS }).collect()
    }
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
