//! What outlives the process (SQLite, WAL, flushed before anything is acknowledged): buddies, messages, the event log,
//! settings.
//!
//! [`Database`] is plain and blocking; `net` gives it a thread of its own.

mod database;
mod query;
mod schema;

pub use database::{Database, Kept, Op, Outcome};
pub use query::{Before, History, HistoryQuery};
