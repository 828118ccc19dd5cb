use super::text::{fill, indent};
use crate::command::{Exit, print};
use crate::config::width;
use crate::web::metrics::{Listed, catalogue};
use std::io;

/// List every metric: its name, type, labels and meaning
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn execute(_: &Args) -> io::Result<Exit> {
    let mut listed = catalogue();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let room = width().saturating_sub(4);
    let told =
        listed.iter().map(|metric| format!("{}\n{}", head(metric), indent(&fill(metric.help, room), 4)));
    print(&told.collect::<String>())?;
    Ok(Exit::Fine)
}

fn head(metric: &Listed) -> String {
    format!("{}{{{}}} {}", metric.name, metric.labels.join(","), metric.kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_listed_with_their_labels() {
        let heads: Vec<String> = catalogue().iter().map(head).collect();
        let calls = "dbsonde_statement_calls_total{target,database,user,digest,toplevel} counter";
        assert!(heads.iter().any(|head| head == calls));
    }
}
