//! Beyond one manager: figures of many peers on their way up a tree of aggregators, each counted once.
//!
//! Pure: the caller supplies intervals, randomness and messages. Figures are sketches, whose merge is exact, so that the
//! quantiles at the root are those of all records within the sketch's error, however deep the tree is.

mod beat;
mod check;
mod figures;
mod ledger;
mod memory;
mod message;
mod node;
mod report;
mod sampling;
mod told;
mod totals;
mod tree;
mod uplink;

pub use beat::Beat;
pub use check::{Brief, Check, Checks, Contradiction, Finding, Lie, NotCheckable, counted, holding, sums_up};
pub(crate) use check::{agree, contradiction};
pub use figures::{Figure, Figures};
pub use ledger::{Ledger, Page, Part};
pub use message::{
    FromChild, FromParent, PartsAnswer, TOLD_HANDLER, TREE_HANDLER, TotalsAnswer, TreeAnswer, TreeQuestion,
    tree_pipe_id,
};
pub use node::{Admitted, Aggregator, Newcomer, Offered, Settled};
pub use report::{Report, Stamp};
pub use sampling::TailSampler;
pub use told::{Saying, Told, ToldAnswer, Which};
pub use totals::{Total, Totals};
pub use tree::ranked;
pub use uplink::{Fate, Uplink};
