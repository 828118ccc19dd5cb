//! A message as Slack's incoming webhooks take it; Mattermost, Rocket.Chat and Discord (`/slack`) understand it too.

use super::post::Post;
use crate::config::SinkConfig;
use crate::ledger::{Change, Kind};
use crate::model::Severity;
use crate::sink::{Delivery, Sink};
use serde_json::json;

/// Slack cuts a message at 40,000 characters; nobody reads a fix longer than this in a chat.
const MAX_FIX: usize = 3_000;

#[derive(Debug)]
pub struct Slack {
    post: Post,
}

impl Sink for Slack {
    fn deliver<'a>(&'a self, change: &'a Change) -> Delivery<'a> {
        let body = json!({ "text": message(change) }).to_string();
        Box::pin(async move { self.post.send(&[], body.into_bytes()).await })
    }
}

impl Slack {
    pub fn new(config: SinkConfig) -> Self {
        Self { post: Post::new(config, "") }
    }
}

fn message(Change { kind, entry }: &Change) -> String {
    let finding = &entry.finding;
    let mark = match (kind, finding.severity) {
        (Kind::Resolved | Kind::Verified, _) => ":white_check_mark:",
        (_, Severity::Urgent) => ":rotating_light:",
        (_, Severity::Warning) => ":warning:",
        (_, Severity::Note) => ":information_source:",
    };
    let [rule, target, subject] = [&*finding.rule, &*entry.target, &finding.subject].map(escaped);
    let mut text = format!("{mark} *{}* {rule} · {target} · {subject}\n", kind.name());
    if let (Kind::Verified, Some(verdict)) = (kind, &entry.verdict) {
        text.push_str(&format!("{}: {}", verdict.outcome.name(), escaped(&verdict.because)));
        return text;
    }
    text.push_str(&escaped(&finding.because));
    if *kind != Kind::Resolved {
        text.push_str(&format!("\n{}", escaped(&finding.advice)));
        if let Some(fix) = &finding.fix {
            let sql: String = fix.sql.join("\n").chars().take(MAX_FIX).collect();
            // Three backticks in a name would end the block.
            text.push_str(&format!("\n```{}```", escaped(&sql.replace("```", "'''"))));
        }
    }
    text
}

/// The three characters that mean something to Slack: a name can neither link nor call anybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::ledger::tests::finding;
    use crate::model::Fix;

    #[test]
    fn a_name_can_call_nobody() {
        let mut finding = finding("public.<!channel>", Severity::Urgent, 1.5);
        finding.because = "index <@U1> & more".into();
        finding.fix = Some(Fix { sql: vec!["DROP INDEX \"a```b\";".into()], ..Fix::default() });
        let change =
            Ledger::default().apply(1e9, &"db1".into(), vec![finding], |_, _| true, |_| None).remove(0);
        let text = message(&change);
        assert!(text.starts_with(":rotating_light: *opened* "), "{text}");
        assert!(text.contains("index &lt;@U1&gt; &amp; more"), "{text}");
        assert!(!text.contains("<!channel>") && text.matches("```").count() == 2, "{text}");
        let resolved = Change { kind: Kind::Resolved, ..change };
        assert!(message(&resolved).starts_with(":white_check_mark:") && !message(&resolved).contains("DROP"));
    }
}
