//! What accounts may do: everywhere, and beyond that in single schemas.

use super::link::Link;
use crate::engine::layout::Read;
use crate::engine::reading::Failure;
use crate::model::{Name, Rows, Scope, Topic};
use crate::script::mysql::identifier;
use std::collections::HashMap;

/// What a field holds of them; the rest is told as a number.
const MAX_LETTERS: usize = 220;

/// Reads the accounts, and lays over them what they may do to single schemas.
pub async fn read(link: &mut Link, file: &'static str) -> Result<Read, Failure> {
    let mut read = link.read_in(Topic::Roles, file, &Scope::Server).await?;
    let found = match link.ask("schema_rights").await {
        Ok(found) => found,
        Err(Failure::Refused { .. }) => Vec::new(),
        Err(lost) => return Err(lost),
    };
    let mut of: HashMap<&str, Vec<String>> = HashMap::new();
    for row in &found {
        let (Some(role), Some(schema), Some(rights)) =
            (row.text("role"), row.text("schema"), row.text("rights"))
        else {
            continue;
        };
        // A pattern of names keeps its backslashes: so it was granted.
        of.entry(role).or_default().push(format!("{rights} ON {}.*", identifier(schema)));
    }
    if let Rows::Roles(roles) = &mut read.rows {
        for role in roles {
            role.schema_writes = of.get(&*role.role).map(|rights| Name::new(&joined(rights)));
        }
    }
    Ok(read)
}

fn joined(rights: &[String]) -> String {
    let mut told = String::new();
    for (nth, right) in rights.iter().enumerate() {
        // One with the sign that parts them could not be told apart again.
        if told.len() + right.len() > MAX_LETTERS || right.contains(';') {
            let rest = rights.len() - nth;
            let comma = if told.is_empty() { "" } else { "; " };
            return format!("{told}{comma}and {rest} more");
        }
        if nth > 0 {
            told.push_str("; ");
        }
        told.push_str(right);
    }
    told
}

#[test]
fn rights_are_told_as_far_as_there_is_room() {
    let right = |schema: &str| format!("INSERT ON `{schema}`.*");
    assert_eq!(joined(&[right("a"), right("b")]), "INSERT ON `a`.*; INSERT ON `b`.*");
    let many: Vec<String> = (10..40).map(|nth| right(&format!("schema{nth}"))).collect();
    let told = joined(&many);
    assert!(told.len() <= 250 && told.ends_with("; and 21 more"), "{told}");
    assert_eq!(joined(&[right("a;b")]), "and 1 more");
}
