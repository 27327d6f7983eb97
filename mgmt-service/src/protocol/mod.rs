//! Messages of the management service over the overlay (paper §5, the service that [8] of the paper foresees).
//!
//! Questions about managed objects are resolver queries to [`HANDLER`]; records are pushed over a bidirectional pipe
//! (see [`pipe_id`]). Every message opens with a version, those that may grow end in an `Ext`, and kinds travel as
//! numbers. Every decode is bounded, and every message has its golden bytes in a test.

mod batch;
mod get;
mod push;

use overlay::wire::WireError;
use overlay::{GroupId, PeerId, PipeId};

pub use batch::{BatchBuilder, RecordBatch};
pub use get::{BeanSnapshot, GetAnswer, GetRequest};
pub use push::{FromAgent, FromManager};

/// Name of the resolver handler that answers questions about managed objects.
pub const HANDLER: &str = "juxta.management";

/// The pipe on which the agent of `peer` in `group` accepts subscriptions.
#[must_use]
pub fn pipe_id(group: &GroupId, peer: &PeerId) -> PipeId {
    PipeId::derive(group, &format!("mgmt/{peer}"))
}

/// The version that every message here opens with.
const VERSION: u8 = 1;

/// What bounds the memory of a decode. The codec counts the memory of what it builds, which for many small values is
/// several times their bytes, so that a full message needs more than its own length; the length is checked apart.
const DECODE_BYTES_MAX: usize = 1024 * 1024;

/// Checks that a message has at most `max` bytes.
fn check_len(bytes: &[u8], max: usize) -> Result<(), WireError> {
    if bytes.len() > max { Err(WireError::TooLarge { len: bytes.len(), max }) } else { Ok(()) }
}
