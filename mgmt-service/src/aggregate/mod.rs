//! Beyond one manager: figures of many peers on their way up a tree of aggregators, each counted once.
//!
//! Pure: the caller supplies intervals, randomness and messages. Figures are sketches, whose merge is exact, so that the
//! quantiles at the root are those of all records within the sketch's error, however deep the tree is.

mod node;
mod report;
mod sampling;
mod tree;

pub use node::{Aggregator, Offered};
pub use report::{Report, Stamp};
pub use sampling::{Sampled, TailSampler};
pub use tree::ranked;
