//! Application response measurement (paper §4, after ARM): how long an exchange with another peer took and
//! how it ended.
//!
//! ```text
//!  application ── start/stop ──► Transaction (producer, a pool of transaction objects)
//!                                      │ ended
//!                                      ▼
//!                                    Agent ── fills an empty place of each consumer's queue
//!                                      │
//!                        ┌─────────────┴─────────────┐
//!                   RecordQueue                 RecordQueue        one per consumer, bounded
//!                        │ get                        │ get
//!                    Consumer  (CSV)             Consumer  (beans)  makes the record
//! ```
//!
//! Everything here takes `now`; nothing here reads a clock, spawns a task or touches the network.

mod agent;
mod application;
mod believed;
mod bind;
mod buckets;
mod consumer;
mod correlator;
mod definition;
mod details;
mod due;
mod identity;
mod interim;
mod lane;
mod live_sketch;
mod measured;
mod peer_words;
mod pool;
mod producer;
mod queue;
mod record;
mod ring;
mod sketch;
mod slot;
mod slots;
mod split;
mod trace;
mod transaction;
mod values;
mod waits;

pub use application::{Application, DefinitionSketch};
pub(crate) use believed::time_of;
pub use bind::{Bound, bound, current};
pub use consumer::Consumer;
pub use correlator::{BootKey, Correlator};
pub use definition::{DefinitionId, Metric, TransactionDefinition};
pub use details::Details;
pub use identity::Identity;
pub use pool::Started;
pub use queue::Overflow;
pub(crate) use record::rfc3339_ms;
pub use record::{ArmRecord, DestStatus, Path, Reason, Status};
pub use sketch::Sketch;
pub use split::Split;
pub use trace::{Parent, TraceId, Traceparent};
pub use transaction::{Outcome, Stopped, Transaction};
pub use values::{MetricValue, TypedValue, ValueDefinition, ValueKind};
pub use waits::{Wait, Waits};
