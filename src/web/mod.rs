//! What readers see, pulled: `/metrics`, `/api/v1/…`, a page for eyes, and the lifecycle endpoints. Everything is
//! computed from the board; nothing here asks a server anything or changes what is known.

mod api;
pub mod exposition;
mod lifecycle;
pub mod metrics;
mod moment;
mod pages;
mod scrape;
mod server;
#[cfg(test)]
mod tests;

pub use server::serve;
