//! The codec and the framing, named here and nowhere else: bincode 2 with serde, and unsigned-varint lengths.
//!
//! In: values, or bytes from a peer. Out: bytes, or values, or a [`WireError`]. A decode is bounded before it
//! allocates and rejects trailing bytes. Every message opens with a version byte ([`encode_message`]); messages
//! that may grow end in an [`Ext`].

mod base32;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

pub use base32::{base32, from_base32};

/// What later versions may add to a message: numbered fields that older readers keep or skip.
pub type Ext = Vec<(u16, Bytes)>;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// More bytes than allowed, seen before they were allocated.
    #[error("{len} bytes, at most {max} allowed")]
    TooLarge {
        /// How many, or how many were announced.
        len: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The bytes end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// Bytes are left over.
    #[error("{len} bytes are left over")]
    Trailing {
        /// How many.
        len: usize,
    },
    /// A version that this reader doesn't know.
    #[error("unknown version {got}")]
    UnknownVersion {
        /// The version that came.
        got: u8,
    },
    /// A kind that this reader doesn't know.
    #[error("unknown kind {got}")]
    UnknownKind {
        /// The kind that came.
        got: u16,
    },
    /// The bytes don't form the value.
    #[error("malformed bytes")]
    Malformed,
}

/// The bytes of `value`, at most `limit` of them.
///
/// # Errors
/// [`WireError::TooLarge`] beyond `limit`, [`WireError::Malformed`] for a value that the codec can't hold.
pub fn encode<T: Serialize + ?Sized>(value: &T, limit: usize) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::with_capacity(64);
    append(value, &mut bytes)?;
    check_len(bytes.len(), limit)?;
    Ok(bytes)
}

/// The value in `bytes`, which are at most `limit` and used up wholly.
///
/// # Errors
/// As [`WireError`] says. What is held while decoding is bounded too, values in memory being larger than their bytes:
/// what is read counts up to 64 KiB for a `limit` of up to 4 KiB, up to 1 MiB above; besides, a list whose length is
/// announced gets room for its elements, at most 1 MiB for each list inside a list, before they come or don't.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, WireError> {
    check_len(bytes.len(), limit)?;
    let (value, used) = if limit <= SMALL / 16 {
        bincode::serde::decode_from_slice(bytes, bincode::config::standard().with_limit::<SMALL>())
    } else {
        bincode::serde::decode_from_slice(bytes, bincode::config::standard().with_limit::<LARGE>())
    }
    .map_err(|error| match error {
        bincode::error::DecodeError::UnexpectedEnd { .. } => WireError::Truncated,
        bincode::error::DecodeError::LimitExceeded => WireError::TooLarge { len: bytes.len(), max: limit },
        _ => WireError::Malformed,
    })?;
    match bytes.len().saturating_sub(used) {
        0 => Ok(value),
        len => Err(WireError::Trailing { len }),
    }
}

/// A version byte, then `value`; at most `limit` bytes in all.
///
/// # Errors
/// As [`encode`].
pub fn encode_message<T: Serialize + ?Sized>(
    version: u8,
    value: &T,
    limit: usize,
) -> Result<Vec<u8>, WireError> {
    let mut bytes = vec![version];
    append(value, &mut bytes)?;
    check_len(bytes.len(), limit)?;
    Ok(bytes)
}

/// The value behind the version byte `version`.
///
/// # Errors
/// [`WireError::UnknownVersion`] for another version; else as [`decode`].
pub fn decode_message<T: DeserializeOwned>(version: u8, bytes: &[u8], limit: usize) -> Result<T, WireError> {
    check_len(bytes.len(), limit)?;
    match bytes.split_first() {
        None => Err(WireError::Truncated),
        Some((&got, rest)) if got == version => decode(rest, limit),
        Some((&got, _)) => Err(WireError::UnknownVersion { got }),
    }
}

/// A version byte, a kind, then `value`: how messages travel of which new kinds may come.
///
/// # Errors
/// As [`encode`].
pub fn encode_kind<T: Serialize + ?Sized>(
    version: u8,
    kind: u16,
    value: &T,
    limit: usize,
) -> Result<Vec<u8>, WireError> {
    let mut bytes = vec![version];
    bytes.extend_from_slice(&kind.to_le_bytes());
    append(value, &mut bytes)?;
    check_len(bytes.len(), limit)?;
    Ok(bytes)
}

/// The kind and the bytes of the value behind it, for [`decode`].
///
/// # Errors
/// [`WireError::Truncated`], [`WireError::UnknownVersion`].
pub fn split_kind(version: u8, bytes: &[u8]) -> Result<(u16, &[u8]), WireError> {
    match bytes {
        [got, low, high, rest @ ..] if *got == version => Ok((u16::from_le_bytes([*low, *high]), rest)),
        [got, ..] if *got != version => Err(WireError::UnknownVersion { got: *got }),
        _ => Err(WireError::Truncated),
    }
}

/// Puts the length of a frame of `len` bytes before it: an unsigned varint.
pub(crate) fn put_frame_len(len: usize, out: &mut bytes::BytesMut) {
    let mut buffer = unsigned_varint::encode::usize_buffer();
    out.extend_from_slice(unsigned_varint::encode::usize(len, &mut buffer));
}

/// Reads a frame's length from the start of `bytes`: `None` while it is incomplete, else the length and the
/// bytes that it took.
///
/// # Errors
/// [`WireError::TooLarge`] beyond `max`, before anything is allocated; [`WireError::Malformed`] for a length
/// that is not in its shortest form.
pub(crate) fn frame_len(bytes: &[u8], max: usize) -> Result<Option<(usize, usize)>, WireError> {
    use unsigned_varint::decode::Error;
    match unsigned_varint::decode::u64(bytes) {
        Ok((len, rest)) => {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            check_len(len, max)?;
            let taken = bytes.len() - rest.len();
            // The decoder drops what ten bytes hold beyond 64 bits: such a length would be read as a smaller one.
            if taken > LEN_BYTES_MAX { Err(WireError::Malformed) } else { Ok(Some((len, taken))) }
        }
        Err(Error::Insufficient) => Ok(None),
        Err(_) => Err(WireError::Malformed),
    }
}

fn append<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), WireError> {
    bincode::serde::encode_into_std_write(value, bytes, bincode::config::standard())
        .map(drop)
        .map_err(|_| WireError::Malformed)
}

fn check_len(len: usize, max: usize) -> Result<(), WireError> {
    if len > max { Err(WireError::TooLarge { len, max }) } else { Ok(()) }
}

/// No length takes more bytes that any limit lets pass.
const LEN_BYTES_MAX: usize = 9;
/// What a decode with a small limit may hold.
const SMALL: usize = 64 * 1024;
/// What any decode may hold.
const LARGE: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Sample = (u64, String, Bytes, Ext);

    fn sample() -> impl Strategy<Value = Sample> {
        (any::<u64>(), ".{0,40}", prop::collection::vec(any::<u8>(), 0..100), any::<u16>())
            .prop_map(|(n, s, b, k)| (n, s, Bytes::from(b.clone()), vec![(k, Bytes::from(b))]))
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(value in sample()) {
            let bytes = encode(&value, 4096).unwrap();
            prop_assert_eq!(decode::<Sample>(&bytes, 4096).unwrap(), value);
        }

        #[test]
        fn every_truncation_is_an_error(value in sample()) {
            let bytes = encode(&value, 4096).unwrap();
            for len in 0..bytes.len() {
                prop_assert!(decode::<Sample>(&bytes[..len], 4096).is_err());
            }
        }

        #[test]
        fn trailing_bytes_are_an_error(value in sample(), tail in 1usize..9) {
            let mut bytes = encode(&value, 4096).unwrap();
            bytes.extend(vec![0; tail]);
            prop_assert_eq!(decode::<Sample>(&bytes, 8192), Err(WireError::Trailing { len: tail }));
        }

        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>) {
            let _ = decode::<Sample>(&bytes, 4096);
            let _ = frame_len(&bytes, 4096);
        }
    }

    #[test]
    fn a_length_of_petabytes_is_refused_before_it_is_allocated() {
        let mut bytes = vec![253];
        bytes.extend_from_slice(&(1u64 << 50).to_le_bytes());
        assert!(decode::<Bytes>(&bytes, 1024).is_err());
        assert!(decode::<String>(&bytes, 1024).is_err());
        assert!(decode::<Vec<Bytes>>(&bytes, 1024).is_err());
    }

    #[test]
    fn an_unknown_version_is_named() {
        let bytes = encode_message(2, &7u8, 16).unwrap();
        assert_eq!(decode_message::<u8>(1, &bytes, 16), Err(WireError::UnknownVersion { got: 2 }));
    }

    #[test]
    fn a_length_of_more_than_64_bits_is_not_read_as_a_smaller_one() {
        let bytes = [&[0x80; 9][..], &[0x10]].concat();
        assert_eq!(frame_len(&bytes, 65_536), Err(WireError::Malformed));
    }

    #[test]
    fn an_oversize_frame_is_refused_by_its_length_alone() {
        let mut bytes = bytes::BytesMut::new();
        put_frame_len(65_537, &mut bytes);
        assert_eq!(frame_len(&bytes, 65_536), Err(WireError::TooLarge { len: 65_537, max: 65_536 }));
    }

    #[test]
    fn golden_bytes_of_a_message() {
        let value: Sample =
            (300, "im".into(), Bytes::from_static(&[9]), vec![(1, Bytes::from_static(&[7, 8]))]);
        let bytes = encode_kind(1, 5, &value, 64).unwrap();
        assert_eq!(bytes, [1, 5, 0, 251, 44, 1, 2, b'i', b'm', 1, 9, 1, 1, 2, 7, 8]);
    }
}
