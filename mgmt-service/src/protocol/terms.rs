//! On which terms a manager takes records: how many bytes may come, and how soon it wants them.
//!
//! In: terms. Out: extensions of a message and back. They ride on the first message and on every acknowledgement, so that
//! an agent that does not know of them reads past them.

use bytes::Bytes;
use overlay::wire::{Ext, WireError, decode, encode};

/// What an agent keeps to from the message that says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// Bytes of batches that the agent may have sent on this pipe in all; it never shrinks. None of a manager that does
    /// not count them.
    pub granted: Option<u64>,
    /// Whether somebody watches: a record then waits for a second at most, also in a standing subscription.
    pub watched: bool,
    /// Whether the manager understands [`Notice`](super::Notice)s and wants them; the first terms of a pipe count.
    pub notices: bool,
}

impl Terms {
    /// Adds them to the extensions of a message.
    pub(super) fn write(&self, ext: &mut Ext) -> Result<(), WireError> {
        if let Some(granted) = self.granted {
            ext.push((EXT_GRANTED, Bytes::from(encode(&granted, GRANTED_BYTES_MAX)?)));
        }
        if self.watched {
            ext.push((EXT_WATCHED, Bytes::new()));
        }
        if self.notices {
            ext.push((EXT_NOTICES, Bytes::new()));
        }
        Ok(())
    }

    /// The terms among the extensions of a message.
    pub(super) fn read(ext: &Ext) -> Result<Self, WireError> {
        let granted = ext.iter().find(|(kind, _)| *kind == EXT_GRANTED);
        let granted = granted.map(|(_, bytes)| decode::<u64>(bytes, GRANTED_BYTES_MAX)).transpose()?;
        let says = |wanted| ext.iter().any(|(kind, _)| *kind == wanted);
        Ok(Self { granted, watched: says(EXT_WATCHED), notices: says(EXT_NOTICES) })
    }
}

/// 1 is for standing subscriptions.
const EXT_GRANTED: u16 = 2;
const EXT_WATCHED: u16 = 3;
const EXT_NOTICES: u16 = 4;

/// Bytes of a number at its longest.
const GRANTED_BYTES_MAX: usize = 9;
