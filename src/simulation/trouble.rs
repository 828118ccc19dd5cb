//! What may be wrong with the simulated server, and what the handbook says of it.

use crate::model::finding::finding_id;

pub const TARGET: &str = "db";
/// After so many seconds the pages speak; as the simulated operator has set them.
pub const IDLE_AFTER: f64 = 60.0;
pub const BLOCKING_AFTER: f64 = 30.0;

/// What may be wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    Idle(i64),
    Blocking(i64),
    Crowded,
    BrokenIndex,
}

impl Trouble {
    pub const ALL: [Trouble; 6] = [
        Trouble::Idle(101),
        Trouble::Idle(102),
        Trouble::Idle(103),
        Trouble::Blocking(201),
        Trouble::Crowded,
        Trouble::BrokenIndex,
    ];

    /// The page that finds it, the database, and the subject, which together name the finding.
    fn finding(self) -> (&'static str, Option<&'static str>, String) {
        match self {
            Trouble::Idle(of) => ("session-idle-in-transaction", Some("shop"), format!("app (web) pid {of}")),
            Trouble::Blocking(of) => ("session-blocking", Some("shop"), format!("app (web) pid {of}")),
            Trouble::Crowded => ("server-connections-exhausting", None, "connections".to_owned()),
            Trouble::BrokenIndex => ("index-invalid", Some("shop"), "public.note_idx".to_owned()),
        }
    }

    pub fn page(self) -> &'static str {
        self.finding().0
    }

    pub fn id(self) -> String {
        let (page, database, subject) = self.finding();
        finding_id(page, TARGET, database, &subject)
    }

    /// How long it must have held before the page speaks.
    pub fn after(self) -> f64 {
        match self {
            Trouble::Idle(_) => IDLE_AFTER,
            Trouble::Blocking(_) => BLOCKING_AFTER,
            _ => 0.0,
        }
    }

    pub fn dies_with_the_process(self) -> bool {
        self != Trouble::BrokenIndex
    }
}
