//! One integration binary. `UPDATE=1 cargo test --test it docs` rewrites the generated references.

#[path = "../rig/mod.rs"]
mod rig;

mod docs;
mod faults;
mod stories;
mod tidy;
mod windows;
