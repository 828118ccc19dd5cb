//! Where state is kept: one file for each way, and what all of them use.

/// The form of parts and ledgers on disk.
pub mod columns;
/// Where the SQLite file lives, and where bad ones go.
pub mod files;
/// The task that owns a store.
pub mod keeper;
/// One SQLite file.
pub mod sqlite;

/// What of SQLite keeps old snapshots.
mod ladder;
/// What of SQLite keeps levels by the hour.
mod levels;
/// What waits for the task that owns a store.
mod postbox;
#[cfg(test)]
mod tests;
