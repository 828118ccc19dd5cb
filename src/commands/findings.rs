//! What was found, for eyes and for programs.

use super::page;
use super::text::{fill, indent};
use crate::command::{Exit, print, prints_colour};
use crate::config::{Span, width};
use crate::inspect::{Inspection, Splits};
use crate::ledger::{Entry, State, by_root};
use crate::model::{Confidence, Finding, Fix, Gap, Severity};
use serde_json::json;
use std::collections::BTreeMap;
use std::io;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
    Html,
}

/// The only place here that knows how an entry of the ledger is built; in JSON it is written as it writes itself.
fn finding(entry: &Entry) -> &Finding {
    &entry.finding
}

pub fn show(inspection: &Inspection, format: Format) -> io::Result<Exit> {
    print(&match format {
        Format::Text => text(inspection, width(), prints_colour()),
        Format::Json => json(inspection)?,
        Format::Html => page::html(inspection),
    })?;
    let urgent = ordered(inspection).iter().any(|(finding, _)| finding.severity == Severity::Urgent);
    Ok(if urgent { Exit::Urgent } else { Exit::Fine })
}

/// The present plans of the statements that something was found about, by digest.
pub fn plans(inspection: &Inspection) -> BTreeMap<String, String> {
    let known = inspection.plans.each().filter_map(|(key, history)| {
        let is_named = |entry: &&Entry| entry.finding.subject == key.digest.to_string();
        inspection.findings.iter().find(is_named)?;
        Some((key.digest.to_string(), history.present()?.plan.shape()))
    });
    known.collect()
}

/// The same shape as `/api/v1/findings`, and the plans.
fn json(inspection: &Inspection) -> io::Result<String> {
    let gap = |gap: &Gap| {
        let (scope, topic) = (gap.scope.to_string(), gap.topic.name());
        json!({ "target": inspection.target, "scope": scope, "topic": topic, "reason": gap.reason })
    };
    let gaps: Vec<_> = inspection.gaps.iter().map(gap).collect();
    let whole = json!({
        "findings": inspection.findings, "gaps": gaps, "plans": plans(inspection), "statements": inspection.splits
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&whole)?))
}

/// Where the server tells statements apart that are one to us. Nothing where it does not, or where nobody knows.
pub fn told_apart(splits: Option<Splits>) -> Option<String> {
    let Splits { split, lumped } = splits.filter(|splits| splits.split > 0)?;
    Some(format!(
        "{split} {} one here and {lumped} to the server, by other search paths or schemas, lists of other lengths or other \
         letters: their numbers are added up.",
        if split == 1 { "statement is" } else { "statements are each" },
    ))
}

/// The gravest first, each with what is mended with it; without what a comment silences.
pub fn ordered(inspection: &Inspection) -> Vec<(&Finding, Vec<&Finding>)> {
    let mut entries: Vec<&Entry> = inspection.findings.iter().collect();
    entries.sort_by(|a, b| {
        let (a, b) = (finding(a), finding(b));
        (b.severity, &a.rule, &a.subject).cmp(&(a.severity, &b.rule, &b.subject))
    });
    let findings = by_root(&entries).into_iter();
    findings.map(|(root, parts)| (finding(root), parts.into_iter().map(finding).collect())).collect()
}

pub fn silenced(inspection: &Inspection) -> usize {
    inspection.findings.iter().filter(|entry| entry.state == State::Silenced).count()
}

/// "2 findings: 1 urgent, 1 note. 3 silenced by comments."
pub fn summary(findings: &[(&Finding, Vec<&Finding>)], silenced: usize) -> String {
    let of = |severity: Severity| {
        let count = findings.iter().filter(|(finding, _)| finding.severity == severity).count();
        (count > 0).then(|| format!("{count} {}", severity.name()))
    };
    let counts: Vec<String> = Severity::ALL.into_iter().rev().filter_map(of).collect();
    let found = match findings.len() {
        0 => "Nothing found.".to_owned(),
        1 => format!("1 finding: {}.", counts.join(", ")),
        many => format!("{many} findings: {}.", counts.join(", ")),
    };
    if silenced > 0 { format!("{found} {silenced} silenced by comments.") } else { found }
}

pub fn headline(inspection: &Inspection) -> String {
    let server = &inspection.server;
    let tier = if server.tier.is_empty() { String::new() } else { format!(", tier {}", server.tier) };
    format!("{}: {} {}, {}{tier}", inspection.target, server.engine, server.version, server.role)
}

/// What the lock is and whom it keeps waiting, and how sure we are.
pub fn conditions(fix: &Fix) -> String {
    let lock = if fix.lock.is_empty() { "takes no lock".to_owned() } else { format!("takes {}", fix.lock) };
    let blocks = if fix.blocks.is_empty() { String::new() } else { format!("; blocks {}", fix.blocks) };
    let alone = if fix.transactional { "" } else { "; not inside a transaction" };
    format!("{lock}{blocks}{alone}")
}

pub fn doubt(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Measured => "",
        Confidence::Estimated => " (estimated)",
        Confidence::Unverified => " (not verified)",
    }
}

fn text(inspection: &Inspection, width: usize, colour: bool) -> String {
    let findings = ordered(inspection);
    let mut said = format!("{}\n\n", clean(&headline(inspection)));
    for (finding, parts) in &findings {
        said.push_str(&one(finding, width, colour));
        for with_it in parts {
            let line = fill(&clean(&with_it.as_part()), width.saturating_sub(2));
            said.push_str(&indent(&line, 2));
        }
        said.push('\n');
    }
    said.push_str(&format!("{}\n", summary(&findings, silenced(inspection))));
    for (digest, plan) in plans(inspection) {
        said.push_str(&format!("\nThe plan of statement {digest}:\n{}", indent(&clean(&plan), 2)));
    }
    if let Some(splits) = told_apart(inspection.splits) {
        said.push_str(&format!("\n{}\n", fill(&splits, width)));
    }
    let mut list = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            said.push_str(&format!("\n{title}\n"));
            for line in lines {
                said.push_str(&indent(
                    &fill(&clean(&line), width.saturating_sub(4)).replace('\n', "\n  "),
                    2,
                ));
            }
        }
    };
    list(
        "Not measured:",
        inspection.gaps.iter().map(|gap| format!("{} of {}: {}", gap.topic, gap.scope, gap.reason)).collect(),
    );
    list(
        "Wants a longer look (see `dbsonde run`):",
        inspection.longer_look.iter().map(|(rule, span)| format!("{rule}: {}", Span(*span))).collect(),
    );
    said
}

fn one(finding: &Finding, width: usize, colour: bool) -> String {
    let severity = paint(finding.severity, colour);
    let mut said = format!("{severity}  {}  {}\n", clean(&finding.rule), clean(&finding.place()));
    let room = width.saturating_sub(2);
    let because = format!("{}{}", finding.because, doubt(finding.confidence));
    said.push_str(&indent(&fill(&clean(&because), room), 2));
    said.push_str(&indent(&fill(&clean(&finding.advice), room), 2));
    let Some(fix) = &finding.fix else { return said };
    said.push_str(&indent(&fill(&format!("fix: {}", clean(&conditions(fix))), room), 2));
    // SQL is copied, so it is never wrapped.
    fix.sql.iter().for_each(|step| said.push_str(&indent(&clean(step), 6)));
    if !fix.rollback.is_empty() {
        said.push_str("  the way back:\n");
        fix.rollback.iter().for_each(|step| said.push_str(&indent(&clean(step), 6)));
    }
    if !fix.caution.is_empty() {
        said.push_str(&indent(&fill(&format!("caution: {}", clean(&fix.caution)), room), 2));
    }
    said
}

fn paint(severity: Severity, colour: bool) -> String {
    let name = severity.name().to_uppercase();
    let code = match severity {
        Severity::Urgent => "1;31",
        Severity::Warning => "33",
        Severity::Note => "36",
    };
    if colour { format!("\x1b[{code}m{name}\x1b[0m") } else { name }
}

/// Names come from strangers, and a terminal obeys what it is shown.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn sample() -> Finding {
        Finding {
            rule: "index-unused".into(),
            severity: Severity::Warning,
            database: Some("shop".into()),
            subject: "public.\x1b[31morders_<b>_idx".into(),
            because: "Nobody read it in 31 d, and it holds 120 MiB.".into(),
            evidence: Default::default(),
            advice: "Look at the standbys, then drop it.".into(),
            fix: Some(Fix {
                sql: vec!["SET lock_timeout = '2s';".into(), "DROP INDEX CONCURRENTLY \"i\";".into()],
                rollback: vec!["CREATE INDEX CONCURRENTLY i ON t (a);".into()],
                lock: "SHARE UPDATE EXCLUSIVE".into(),
                blocks: "nobody but DDL and vacuum".into(),
                transactional: false,
                caution: String::new(),
            }),
            confidence: Confidence::Measured,
        }
    }

    #[test]
    fn a_finding_in_text() {
        let expected = "\
WARNING  index-unused  public.\u{fffd}[31morders_<b>_idx in shop
  Nobody read it in 31 d, and it holds 120 MiB.
  Look at the standbys, then drop it.
  fix: takes SHARE UPDATE EXCLUSIVE; blocks nobody but DDL and
  vacuum; not inside a transaction
      SET lock_timeout = '2s';
      DROP INDEX CONCURRENTLY \"i\";
  the way back:
      CREATE INDEX CONCURRENTLY i ON t (a);
";
        assert_eq!(one(&sample(), 64, false), expected);
        assert!(one(&sample(), 64, true).starts_with("\x1b[33mWARNING\x1b[0m"));
        let two = [sample(), sample()];
        let two = two.each_ref().map(|finding| (finding, Vec::new()));
        assert_eq!(summary(&two, 0), "2 findings: 2 warning.");
        assert_eq!(summary(&[], 1), "Nothing found. 1 silenced by comments.");
    }

    #[test]
    fn what_the_server_tells_apart_is_said_in_numbers() {
        let said = |split, lumped| told_apart(Some(Splits { split, lumped }));
        assert!(
            said(1, 3).is_some_and(|said| said.starts_with("1 statement is one here and 3 to the server"))
        );
        assert!(said(2, 5).is_some_and(|said| said.starts_with("2 statements are each one here and 5")));
        assert_eq!((said(0, 0), told_apart(None)), (None, None));
    }
}
