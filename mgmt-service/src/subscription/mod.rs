//! The two ends of a subscription to records, as pure rules: numbered batches, acknowledged after the commit.
//!
//! Pure: the caller supplies `now` and moves bytes.

mod inbox;
mod outbox;
mod pacing;

pub use inbox::{Inbox, Verdict};
pub use outbox::Outbox;
pub use pacing::{Pace, Pacing};
