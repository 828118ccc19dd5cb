//! A line in our own log for each change. No fix and no evidence: they may quote definitions, and literals of
//! those have no business in a log.

use crate::ledger::{Change, Kind};
use crate::model::{Severity, is_disguise};
use crate::sink::{Delivery, Sink};

/// A line is read by people.
const MAX_CHARS: usize = 500;

#[derive(Debug)]
pub struct Log;

impl Sink for Log {
    fn deliver<'a>(&'a self, change: &'a Change) -> Delivery<'a> {
        write(change);
        Box::pin(std::future::ready(Ok(())))
    }
}

fn write(Change { kind, entry }: &Change) {
    let finding = &entry.finding;
    let (change, severity, rule) = (kind.name(), finding.severity.name(), &finding.rule);
    // What became of it, where that is the news.
    let news = entry.verdict.as_ref().filter(|_| *kind == Kind::Verified).map(|verdict| &verdict.because);
    let (subject, because) = (one_line(&finding.subject), one_line(news.unwrap_or(&finding.because)));
    let database = finding.database.as_deref().map(one_line);
    if matches!(kind, Kind::Resolved | Kind::Verified) || finding.severity == Severity::Note {
        tracing::info!(change, severity, %rule, target = %entry.target, database, subject, id = entry.id, "{because}");
    } else {
        tracing::warn!(change, severity, %rule, target = %entry.target, database, subject, id = entry.id, "{because}");
    }
}

/// Names may hold line breaks and escapes; a log must not obey them.
fn one_line(text: &str) -> String {
    text.chars().take(MAX_CHARS).map(|char| if is_disguise(char) { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_write_lines_of_its_own() {
        assert_eq!(one_line("a\n2026 ERROR\x1b[31m\u{202e}b"), "a 2026 ERROR [31m b");
        assert_eq!(one_line(&"é".repeat(9_000)).chars().count(), MAX_CHARS);
    }
}
