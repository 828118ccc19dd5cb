//! What was found, as one HTML file that needs nothing else. Everything that came from outside is escaped.

use super::findings::{conditions, doubt, headline, ordered, plans, silenced, summary, told_apart};
use crate::config::Span;
use crate::inspect::Inspection;
use crate::model::{Finding, Fix};

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}\
article{border-left:.3rem solid #888;padding:0 1rem;margin:1.5rem 0}article.urgent{border-color:#c22}\
article.warning{border-color:#c80}article.note{border-color:#28a}h1{font-size:1.3rem}h2{font-size:1rem;margin:0}\
pre{overflow-x:auto;background:#8882;padding:.6rem;margin:.4rem 0}small{opacity:.75}";

pub fn html(inspection: &Inspection) -> String {
    let findings = ordered(inspection);
    let title = escape(&headline(inspection));
    let articles: String = findings.iter().map(|(finding, parts)| article(finding, parts)).collect();
    let plan = |(digest, plan): (String, String)| {
        format!("<h2>The plan of statement {digest}</h2>\n<pre>{}</pre>\n", escape(&plan))
    };
    let plans: String = plans(inspection).into_iter().map(plan).collect();
    let splits =
        told_apart(inspection.splits).map_or(String::new(), |said| format!("<p>{}</p>\n", escape(&said)));
    let gaps = inspection.gaps.iter().map(|gap| format!("{} of {}: {}", gap.topic, gap.scope, gap.reason));
    let longer = inspection.longer_look.iter().map(|(rule, span)| format!("{rule}: {}", Span(*span)));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style></head>\n\
         <body>\n<h1>{title}</h1>\n<p>{}</p>\n{articles}{plans}{splits}{}{}</body></html>\n",
        escape(&summary(&findings, silenced(inspection))),
        list("Not measured", gaps.collect()),
        list("Wants a longer look", longer.collect()),
    )
}

fn article(finding: &Finding, parts: &[&Finding]) -> String {
    let severity = finding.severity.name();
    let with_it = |with_it: &&Finding| format!("<p><small>{}</small></p>\n", escape(&with_it.as_part()));
    let because = format!("{}{}", finding.because, doubt(finding.confidence));
    format!(
        "<article class=\"{severity}\">\n<h2>{severity} · {} · {}</h2>\n<p>{}</p>\n<p>{}</p>\n{}{}</article>\n",
        escape(&finding.rule),
        escape(&finding.place()),
        escape(&because),
        escape(&finding.advice),
        finding.fix.as_ref().map(mending).unwrap_or_default(),
        parts.iter().map(with_it).collect::<String>(),
    )
}

fn mending(fix: &Fix) -> String {
    let mut said = format!("<small>fix: {}</small>\n{}", escape(&conditions(fix)), script(&fix.sql));
    if !fix.rollback.is_empty() {
        said.push_str(&format!("<small>the way back</small>\n{}", script(&fix.rollback)));
    }
    if !fix.caution.is_empty() {
        said.push_str(&format!("<p>Caution: {}</p>\n", escape(&fix.caution)));
    }
    said
}

fn script(steps: &[String]) -> String {
    format!("<pre>{}</pre>\n", escape(&steps.join("\n")))
}

fn list(title: &str, items: Vec<String>) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| format!("<li>{}</li>\n", escape(item))).collect();
    format!("<h2>{title}</h2>\n<ul>\n{items}</ul>\n")
}

pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char if char.is_control() && char != '\n' => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::findings::tests::sample;

    #[test]
    fn what_came_from_outside_is_escaped() {
        let article = article(&sample(), &[&sample()]);
        assert!(article.contains("orders_&lt;b&gt;_idx"), "{article}");
        assert!(!article.contains("<b>") && !article.contains('\x1b'), "{article}");
    }
}
