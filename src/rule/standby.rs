//! What a script changes on a standby must be changed where the standby copies it from. PostgreSQL refuses such a script
//! there. A replica of MySQL or MariaDB that takes writes runs it, and is no copy any more.

use super::{Seen, Word};
use crate::model::{Fix, Server};

/// Statements that act on the server they are sent to, and are not copied.
const HERE: [&str; 9] = [
    "SET ",
    "RESET ",
    "SELECT ",
    "KILL ",
    "ALTER SYSTEM ",
    "START ",
    "STOP ",
    "UPDATE performance_schema.",
    "TRUNCATE TABLE performance_schema.",
];

impl Seen<'_> {
    /// Does the server copy another one?
    pub fn is_standby(&self) -> bool {
        self.now.rows::<Server>().any(|server| server.in_recovery)
    }
}

/// Has the scripts of a standby say where they belong. A page need not ask what kind of server it speaks of.
pub fn send_home(seen: &Seen<'_>, words: &mut [Word]) {
    if !seen.is_standby() {
        return;
    }
    let findings = words.iter_mut().filter_map(|word| match word {
        Word::Finding(finding) => Some(finding),
        Word::Question(_) => None,
    });
    findings.filter_map(|finding| finding.fix.as_mut()).filter(|fix| is_copied(fix)).for_each(mark);
}

fn is_copied(fix: &Fix) -> bool {
    let acts_here = |step: &String| HERE.iter().any(|word| step.starts_with(word));
    !fix.sql.iter().chain(&fix.rollback).all(acts_here)
}

/// The head of the script says it, because that is what is copied, and sent to chats.
fn mark(fix: &mut Fix) {
    const HEAD: &str = "-- On the primary, not here: this server is a standby and gets it from there.";
    for script in [&mut fix.sql, &mut fix.rollback] {
        if let Some(first) = script.first_mut() {
            *first = format!("{HEAD}\n{first}");
        }
    }
    fix.caution = format!("This server is a standby: run it on the primary. {}", fix.caution);
}
