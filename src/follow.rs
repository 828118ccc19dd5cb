//! Logs as they are written: one more source of the snapshot, beside the lanes.
//!
//! ```text
//! files ──look──► Files (which of them is which) ──read──► digest::Sum ──► Account (our nouns, added up) ──► Visit
//!                     └────────── positions ──────────────► Kept ◄── numbers ──┘      one whole, in the store
//! ```
//!
//! A follower has no connection, cannot fail, and holds nobody up. What it has counted and how far it has read are
//! kept as one whole before anybody sees the numbers, so that whatever happens to us no entry is missed and none is
//! counted twice. What the files themselves have lost is counted as lost.

pub mod account;
pub mod file;
pub mod files;
pub mod identity;
pub mod kept;
pub mod list;

mod task;
mod tracked;

pub use list::Wanted;
pub use task::{Follower, Told, follow};

#[cfg(test)]
mod tests;
