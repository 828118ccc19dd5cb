//! Logs as they are written: one more source of the snapshot, beside the lanes.
//!
//! ```text
//! files ──look──► Files (which of them is which) ──read──► digest::Sum ──► Account (our nouns, added up) ──► Visit
//!                     └────────── positions ──────────────► Kept ◄── numbers ──┘      one whole, in the store
//! ```
//!
//! Where the files lie on another machine, the server reads them for us, piece by piece (`served`), and so it does
//! where its slow log is a table (`table`): errands of a lane bring what is new, and the rest of the way is the same.
//!
//! A follower has no connection of its own, cannot fail, and holds nobody up. What it has counted and how far it has read are
//! kept as one whole before anybody sees the numbers, so that whatever happens to us no entry is missed and none is
//! counted twice. What the files themselves have lost is counted as lost.

pub mod account;
pub mod file;
pub mod files;
pub mod identity;
pub mod kept;
pub mod list;
pub mod served;
pub mod table;
pub mod through;

mod stream;
mod task;
mod tracked;

pub use list::{Through, Wanted};
pub use task::{Follower, Told, follow};

#[cfg(test)]
mod tests;
