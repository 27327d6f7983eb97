//! The two frames with which a link of a resumable pipe begins, behind the pipe's header and its acceptance: who
//! resumes what, and how far each end is. What follows are the frames of [`Resumable`](crate::core::Resumable).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::PIPE_HEADER_BYTES_MAX;
use crate::wire::{Ext, WireError, decode_message, encode_message};

/// What names a resumable pipe between two peers, over all its links: random, chosen by its opener.
pub(crate) type Session = [u8; 16];

/// The opener's frame behind the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) session: Session,
    /// It is the first link; else the pipe must be known.
    pub(crate) fresh: bool,
    /// How long the opener will try when a link is lost.
    pub(crate) within: Duration,
    pub(crate) at: At,
}

/// How far one end is: frames received, and the cost up to which it takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct At {
    pub(crate) received: u64,
    pub(crate) limit: u64,
}

impl Hello {
    /// The frame as bytes.
    ///
    /// # Errors
    /// The codec's.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, WireError> {
        let within_ms = u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX);
        let (session, fresh, at, ext) = (self.session, self.fresh, self.at, Ext::new());
        encode_message(VERSION, &WireHello { session, fresh, within_ms, at, ext }, PIPE_HEADER_BYTES_MAX)
    }

    /// The frame in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let wire: WireHello = decode_message(VERSION, bytes, PIPE_HEADER_BYTES_MAX)?;
        let within = Duration::from_millis(wire.within_ms);
        Ok(Self { session: wire.session, fresh: wire.fresh, within, at: wire.at })
    }
}

impl At {
    /// The frame behind the acceptance, as bytes.
    ///
    /// # Errors
    /// The codec's.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode_message(VERSION, &(self, Ext::new()), PIPE_HEADER_BYTES_MAX)
    }

    /// The frame in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (at, _ext): (Self, Ext) = decode_message(VERSION, bytes, PIPE_HEADER_BYTES_MAX)?;
        Ok(at)
    }
}

#[derive(Serialize, Deserialize)]
struct WireHello {
    session: Session,
    fresh: bool,
    within_ms: u64,
    at: At,
    ext: Ext,
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes_guard_the_frames() {
        let at = At { received: 5, limit: 300 };
        let within = Duration::from_millis(7);
        let hello = Hello { session: [9; 16], fresh: true, within, at };
        let bytes = hello.encode().unwrap();
        assert_eq!(bytes, [&[1][..], &[9; 16], &[1, 7, 5, 251, 44, 1, 0]].concat());
        assert_eq!(Hello::decode(&bytes), Ok(hello));
        let bytes = at.encode().unwrap();
        assert_eq!(bytes, [1, 5, 251, 44, 1, 0]);
        assert_eq!(At::decode(&bytes), Ok(at));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes: Vec<u8>) {
            let _ = Hello::decode(&bytes);
            let _ = At::decode(&bytes);
        }
    }
}
