//! The XML spelling of plans.

use super::step::{Raw, Telling};
use super::{Explained, Triggers, setting_off, tree};
use crate::model::plan::{MAX_NODES, PlanNode};
use std::borrow::Cow;

pub fn logged(text: &[u8]) -> Option<Explained<'_>> {
    let text = String::from_utf8_lossy(text);
    let (_, rest) = text.split_once("<Query-Text>")?;
    let (query, rest) = rest.split_once("</Query-Text>")?;
    Some(Explained { query: Cow::Owned(unescape(query).into_bytes()), plan: plan(rest, Telling::Steps) })
}

pub fn plan(text: &str, telling: Telling) -> Option<PlanNode> {
    let mut nodes: Vec<(usize, Raw)> = Vec::new();
    let (mut depth, mut of_workers, mut of_keys) = (0usize, false, false);
    let mut triggers: Option<Triggers> = None;
    for piece in text.split('<').skip(1) {
        let Some((tag, value)) = piece.split_once('>') else { continue };
        match tag {
            "Plan" => {
                depth += 1;
                // One more than there is room for takes what is said of all that follow.
                if nodes.len() <= MAX_NODES {
                    nodes.push((depth, Raw::of(telling)));
                }
            }
            "/Plan" => depth = depth.saturating_sub(1),
            "Workers" | "/Workers" => of_workers = tag == "Workers",
            "Sort-Key" | "/Sort-Key" => of_keys = tag == "Sort-Key",
            "Triggers" => triggers = Some(Triggers::default()),
            _ if !tag.starts_with('/') && !value.trim().is_empty() => {
                let (key, value) = (tag.replace('-', " "), unescape(value));
                match (&mut triggers, nodes.last_mut()) {
                    (Some(triggers), _) => triggers.set(&key, &value),
                    (None, Some((_, raw))) if of_workers => raw.worker(&key, &value),
                    (None, Some((_, raw))) if of_keys => raw.sort_key(&value),
                    // How it was planned stands behind the last step.
                    (None, Some((_, raw))) if depth > 0 => raw.set(&key, &value),
                    (None, _) => {}
                }
            }
            _ => {}
        }
    }
    let triggers = triggers.unwrap_or_default().0;
    tree(nodes).map(|plan| setting_off(plan, triggers))
}

fn unescape(text: &str) -> String {
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#x0d;", "\r"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, char)| text.replace(entity, char))
}
