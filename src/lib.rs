//! dbsonde watches database servers without hurting them and says what is wrong, why, and how to mend it.
//!
//! The way through the house is one-way. An engine translates its catalogue into our nouns, two snapshots make a
//! window, the handbook reads windows and writes findings, everything else is a view:
//!
//! ```text
//! engines/*  ──parts──►  model/ (window)  ──►  rules/*  ──►  ledger  ──►  web, sinks, store
//! ```
//!
//! Read in this order: `model` (unit, fact, noun, snapshot, window), `engine` and `engines/postgres`, `lane` and
//! `watch`, `rule` and `rules/*`, `ledger`, `board`, `tally`, `web`. `daemon` puts it together.

pub mod board;
pub mod check;
pub mod clock;
pub mod command;
mod commands;
pub mod config;
pub mod daemon;
pub mod digest;
mod disk;
pub mod engine;
pub mod engines;
pub mod explain;
pub mod follow;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod http;
pub mod inspect;
mod json;
pub mod lane;
pub mod ledger;
pub mod log;
pub mod logs;
pub mod model;
pub mod plans;
pub mod recording;
pub mod remark;
pub mod rule;
pub mod rules;
pub mod script;
#[cfg(test)]
mod simulation;
pub mod sink;
pub mod sinks;
pub mod sql;
pub mod store;
pub mod stores;
pub mod tally;
pub mod telemetry;
pub mod texts;
pub mod throttle;
pub mod verdict;
pub mod watch;
pub mod web;
pub mod workload;
