//! What readers see, pulled: `/metrics`, `/api/v1/…`, a page for eyes, and the lifecycle endpoints. Everything is
//! computed from the board; nothing here asks a server anything or changes what is known.

mod api;
pub mod exposition;
mod gate;
mod lifecycle;
mod logs;
pub mod metrics;
mod moment;
mod pages;
mod patience;
mod plans;
mod room;
mod scrape;
mod server;
#[cfg(test)]
mod tests;
mod users;

pub use gate::Gate;
pub use server::{listen, serve};
