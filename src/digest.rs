//! Logs that lie there, added up: the offline half of what we know of logs.
//!
//! A file is cut where entries seem to begin, one piece for each thread. A thread does everything with its piece,
//! reading, lexing, adding up, into a [`Sum`](sum::Sum) of its own; the sums are merged in the order of the
//! pieces, so no entry ever crosses between threads. That a cut was right is proven by the piece before it, which
//! must end exactly there; where it does not, the piece behind the cut is read again.
//!
//! Nothing grows with the file: statements, names and lists are bounded, and what is dropped is counted.

mod feed;
mod fields;
mod filter;
pub mod histogram;
mod innodb;
pub mod locks;
pub mod names;
mod ours;
pub mod plans;
pub mod report;
pub mod run;
mod sessions;
pub mod statements;
pub mod sum;
pub mod unpack;
pub mod upkeep;

pub use feed::{Bookmark, Feed, Progress};
pub use filter::Filter;
pub use run::{DigestError, Job, digest};
pub use sum::Sum;
