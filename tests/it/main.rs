//! One integration binary. `UPDATE=1 cargo test --test it docs` rewrites the generated references.

// A test that cannot go on has nothing better to do than to panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../rig/mod.rs"]
mod rig;

mod book;
mod connecting;
mod counts;
mod dashboards;
mod digest;
mod discovery;
mod docs;
mod door;
mod faults;
mod follow;
mod formats;
mod grants;
mod kubernetes;
mod licences;
mod package;
mod plans;
mod prometheus;
mod sinks;
mod spellings;
mod stories;
mod survives;
mod sysbench;
mod systemd;
mod tidy;
mod truth;
mod versions;
mod windows;
