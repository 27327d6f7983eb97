//! The two frames that open a pipe's substream: the opener's header, the other side's acceptance (JXTA pipe
//! binding protocol). What follows are the application's own messages.

use serde::{Deserialize, Serialize};

use crate::error::ConnectError;
use crate::id::{GroupId, PipeId};
use crate::limits::PIPE_HEADER_BYTES_MAX;
use crate::wire::{Ext, WireError, decode_message, encode_message};

/// What a pipe carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PipeKind {
    /// Messages one way.
    Unicast,
    /// Messages both ways.
    Bidirectional,
    /// Bytes both ways.
    Stream,
    /// Messages both ways that outlive their connection.
    Resumable,
}

impl PipeKind {
    /// The number on the wire.
    fn code(self) -> u16 {
        match self {
            Self::Unicast => 1,
            Self::Bidirectional => 2,
            Self::Stream => 3,
            Self::Resumable => 4,
        }
    }

    /// The kind of a number.
    fn from_code(code: u16) -> Option<Self> {
        let kinds = [Self::Unicast, Self::Bidirectional, Self::Stream, Self::Resumable];
        kinds.into_iter().find(|kind| kind.code() == code)
    }
}

/// The opener's first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) group: GroupId,
    pub(crate) pipe: PipeId,
    pub(crate) kind: PipeKind,
}

impl Header {
    /// The header as bytes.
    ///
    /// # Errors
    /// The codec's.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, WireError> {
        let (group, pipe, kind) = (self.group, self.pipe, self.kind.code());
        let wire = WireHeader { group, pipe, kind, ext: Ext::new() };
        encode_message(VERSION, &wire, PIPE_HEADER_BYTES_MAX)
    }

    /// The header in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let wire: WireHeader = decode_message(VERSION, bytes, PIPE_HEADER_BYTES_MAX)?;
        let kind = PipeKind::from_code(wire.kind).ok_or(WireError::UnknownKind { got: wire.kind })?;
        Ok(Self { group: wire.group, pipe: wire.pipe, kind })
    }
}

/// The other side's first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acceptance {
    Ok,
    Busy,
    Refused,
    NoSuchPipe,
}

impl Acceptance {
    /// The acceptance as bytes.
    ///
    /// # Errors
    /// The codec's.
    pub(crate) fn encode(self) -> Result<Vec<u8>, WireError> {
        encode_message(VERSION, &(self.code(), Ext::new()), PIPE_HEADER_BYTES_MAX)
    }

    /// How it travels.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Ok => 0,
            Self::Busy => 1,
            Self::Refused => 2,
            Self::NoSuchPipe => 3,
        }
    }

    /// What a code means; one of a later version, refused.
    pub(crate) fn from_code(code: u16) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::Busy,
            3 => Self::NoSuchPipe,
            _ => Self::Refused,
        }
    }

    /// The acceptance in `bytes`; a code of a later version reads as refused.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (code, _ext): (u16, Ext) = decode_message(VERSION, bytes, PIPE_HEADER_BYTES_MAX)?;
        Ok(Self::from_code(code))
    }

    /// What the opener is told.
    pub(crate) fn into_result(self) -> Result<(), ConnectError> {
        match self {
            Self::Ok => Ok(()),
            Self::Busy => Err(ConnectError::Busy),
            Self::Refused => Err(ConnectError::Refused),
            Self::NoSuchPipe => Err(ConnectError::NoSuchPipe),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct WireHeader {
    group: GroupId,
    pipe: PipeId,
    kind: u16,
    ext: Ext,
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes_guard_the_frames() {
        let header = Header {
            group: GroupId::from_bytes([1; 32]),
            pipe: PipeId::from_bytes([2; 32]),
            kind: PipeKind::Bidirectional,
        };
        let bytes = header.encode().unwrap();
        let expected: Vec<u8> = [vec![1], vec![1; 32], vec![2; 32], vec![2, 0]].concat();
        assert_eq!(bytes, expected);
        assert_eq!(Header::decode(&bytes), Ok(header.clone()));
        for (kind, code) in [(PipeKind::Unicast, 1), (PipeKind::Stream, 3), (PipeKind::Resumable, 4)] {
            let bytes = Header { kind, ..header.clone() }.encode().unwrap();
            assert_eq!((bytes[65], Header::decode(&bytes).unwrap().kind), (code, kind));
        }
        for acceptance in [Acceptance::Ok, Acceptance::Busy, Acceptance::Refused, Acceptance::NoSuchPipe] {
            assert_eq!(Acceptance::decode(&acceptance.encode().unwrap()), Ok(acceptance));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes: Vec<u8>) {
            let _ = Header::decode(&bytes);
            let _ = Acceptance::decode(&bytes);
        }
    }
}
