//! Application response measurement (paper §4, after ARM): how long an exchange with another peer took and
//! how it ended.
//!
//! ```text
//!  application ── start/stop ──► Transaction (producer, a pool of transaction objects)
//!                                      │ ended
//!                                      ▼
//!                                    Agent ── fills an empty record of each consumer's pool
//!                                      │
//!                        ┌─────────────┴─────────────┐
//!                   RecordQueue                 RecordQueue        one per consumer, bounded
//!                        │ get                        │ get
//!                    Consumer  (CSV)             Consumer  (beans)   drop puts the record back
//! ```
//!
//! Everything here takes `now`; nothing here reads a clock, spawns a task or touches the network.

mod agent;
mod application;
mod consumer;
mod correlator;
mod definition;
mod pool;
mod producer;
mod queue;
mod record;
mod split;
mod transaction;

pub use application::Application;
pub use consumer::Consumer;
pub use correlator::{BootKey, Correlator};
pub use definition::{Metric, TransactionDefinition};
pub use pool::{Ended, NotStopped, Started, TransactionPool};
pub use queue::{Overflow, PooledRecord, Pushed, RecordQueue};
pub(crate) use record::rfc3339_ms;
pub use record::{ArmRecord, DestStatus, Path, Reason, Status};
pub use split::Split;
pub use transaction::{Outcome, Stopped, Transaction};
