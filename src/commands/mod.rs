//! The commands. Add one: a file here and a line in `command.rs`.

pub mod check_config;
pub mod check_targets;
pub mod completions;
pub mod digest;
mod findings;
pub mod fingerprint;
pub mod grants;
pub mod inspect;
pub mod man;
pub mod metrics;
mod page;
pub mod plan;
pub mod record;
pub mod replay;
pub mod rules;
pub mod run;
mod text;
