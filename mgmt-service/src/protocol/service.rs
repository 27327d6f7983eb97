//! What all messages of the management service share: where they go, their version, their bounds.

use overlay::wire::WireError;
use overlay::{GroupId, PeerId, PipeId};

/// Name of the resolver handler that answers questions about managed objects.
pub const HANDLER: &str = "juxta.management";

/// Name of the resolver handler at which issuers give members the key of the pseudonyms.
pub const KEY_HANDLER: &str = "juxta.management.key";

/// The pipe on which the agent of `peer` in `group` accepts subscriptions.
#[must_use]
pub fn pipe_id(group: &GroupId, peer: &PeerId) -> PipeId {
    PipeId::derive(group, &format!("mgmt/{peer}"))
}

/// The version that every message here opens with.
pub(super) const VERSION: u8 = 1;

/// What bounds the memory of a decode. The codec counts the memory of what it builds, which for many small values is
/// several times their bytes, so that a full message needs more than its own length; the length is checked apart.
pub(super) const DECODE_BYTES_MAX: usize = 1024 * 1024;

/// Checks that a message has at most `max` bytes.
pub(super) fn check_len(bytes: &[u8], max: usize) -> Result<(), WireError> {
    if bytes.len() > max { Err(WireError::TooLarge { len: bytes.len(), max }) } else { Ok(()) }
}
