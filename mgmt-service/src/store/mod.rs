//! What a manager has collected, in SQLite: records, then their minutes, then their hours, each for its time.
//!
//! In: batches of agents. Out: records and sums of them for reports and figures. A batch is kept with its number in one
//! transaction, so that one that comes again after a crash is kept once. Any program that reads SQLite may look at the
//! file meanwhile; the view `records` has the columns of the CSV, and then
//! those of details.

mod database;
mod details;
mod error;
mod group_usage;
mod ids;
mod keep;
mod losses;
mod query;
mod schema;
mod seen_as;
mod series;
mod sink;
mod times;
mod usage;

pub use database::{Committed, Delivered, Store};
pub use error::StoreError;
pub use group_usage::{COUNTS, GroupSample, GroupUsage, GroupUsed};
pub use keep::{KeptRound, Retention};
pub use losses::Losses;
pub use query::{Level, Selection, StoredPeer};
pub use series::{Fineness, Moment};
pub use sink::{StoreNames, StoreSink, StoreUsage};
pub use times::Times;
pub use usage::{Usage, UsageSample, Used};
