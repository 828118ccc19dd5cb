//! The YAML spelling of plans.

use super::step::{Raw, Telling};
use super::{Explained, Triggers, setting_off, tree};
use crate::model::plan::{MAX_NODES, PlanNode};
use std::borrow::Cow;

/// What stands behind `Query Text: `.
pub fn logged(rest: &[u8]) -> Option<Explained<'_>> {
    let text = String::from_utf8_lossy(rest);
    let (query, plan) = text.split_once("\nPlan: ")?;
    let query: String = serde_json::from_str(query.lines().next()?.trim_end()).ok()?;
    Some(Explained { query: Cow::Owned(query.into_bytes()), plan: self::plan(plan, Telling::Steps) })
}

pub fn plan(text: &str, telling: Telling) -> Option<PlanNode> {
    let mut nodes: Vec<(usize, Raw)> = Vec::new();
    // Where the keys of the first step stand, and those of this one; those of its workers stand further to the right.
    let (mut first, mut column) = (0, 0);
    let mut triggers: Option<Triggers> = None;
    let (mut of_keys, mut is_over) = (false, false);
    for line in text.lines() {
        let body = line.trim_start();
        let depth = line.len() - body.len();
        let item = body.strip_prefix("- ").unwrap_or(body);
        let place = line.len() - item.len();
        if line.trim() == "Triggers:" {
            triggers = Some(Triggers::default());
        }
        // How it was planned has lines like those of a step, behind the last one.
        is_over |= (!nodes.is_empty() && place < first) || nodes.len() > MAX_NODES;
        // A list of texts stands below its name.
        if of_keys
            && !is_over
            && body.starts_with("- \"")
            && let Some((_, raw)) = nodes.last_mut()
        {
            raw.sort_key(&unquoted(item.trim_end()));
            continue;
        }
        of_keys = item.trim_end() == "Sort Key:" && place == column;
        let Some((key, value)) = item.split_once(": ") else { continue };
        let value = unquoted(value.trim());
        if key == "Node Type" && !is_over {
            nodes.push((depth, Raw::of(telling)));
            column = place;
            first = if nodes.len() == 1 { place } else { first };
        }
        match (&mut triggers, nodes.last_mut()) {
            (Some(triggers), _) => triggers.set(key, &value),
            (None, Some((_, raw))) if place == column && !is_over => raw.set(key, &value),
            (None, Some((_, raw))) if !is_over => raw.worker(key, &value),
            (None, _) => {}
        }
    }
    let triggers = triggers.unwrap_or_default().0;
    tree(nodes).map(|plan| setting_off(plan, triggers))
}

/// A text is written as in JSON.
fn unquoted(value: &str) -> Cow<'_, str> {
    if value.starts_with('"')
        && let Ok(text) = serde_json::from_str(value)
    {
        return Cow::Owned(text);
    }
    Cow::Borrowed(value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_sort_are_read() {
        let text = "- Plan: \n    Node Type: \"Sort\"\n    Sort Key: \n      - \"o.total DESC\"\n      - \"o.id\"\n    \
            Group Key: \n      - \"o.other\"\n    Plan Rows: 7\n";
        let plan = plan(text, Telling::Terms).unwrap();
        assert_eq!(plan.terms.unwrap().sort, ["o.total desc", "o.id"]);
        assert_eq!(plan.rows_expected, Some(7.0));
    }
}
