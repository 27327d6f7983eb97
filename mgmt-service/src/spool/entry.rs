//! One entry of a spool's files: a batch behind its length and its checksum.
//!
//! In: batches, bytes of a file. Out: bytes, entries up to the first that is not whole. What a crash cut off is never
//! taken for a batch.

use std::io;

use crate::limits::PUSH_BYTES_MAX;
use crate::protocol::{DictionaryWriter, SealedBatch};

/// A batch in a file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) batch: SealedBatch,
    /// Milliseconds since 1970.
    pub(super) at_ms: u64,
    /// Where it starts in its file, and its bytes there.
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// The bytes of an entry.
pub(super) fn write(batch: &SealedBatch, at_ms: u64) -> io::Result<Vec<u8>> {
    let message = batch.message(&mut DictionaryWriter::default()).map_err(io::Error::other)?;
    let len = u32::try_from(message.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(HEAD_BYTES + message.len());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&at_ms.to_le_bytes());
    bytes.extend_from_slice(&checksum(at_ms, &message));
    bytes.extend_from_slice(&message);
    Ok(bytes)
}

/// The entries in `bytes` from their start, up to the first that is not whole.
pub(super) fn read(bytes: &[u8]) -> Vec<Entry> {
    let (mut entries, mut offset) = (Vec::new(), 0);
    while let Some((batch, at_ms, len)) = bytes.get(offset..).and_then(read_one) {
        entries.push(Entry { batch, at_ms, offset: offset as u64, len: len as u64 });
        offset += len;
    }
    entries
}

/// The first entry in `bytes`, its time and its bytes.
pub(super) fn read_one(bytes: &[u8]) -> Option<(SealedBatch, u64, usize)> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (at_ms, rest) = rest.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<CHECKSUM_BYTES>()?;
    let (len, at_ms) = (u32::from_le_bytes(*len) as usize, u64::from_le_bytes(*at_ms));
    let message = rest.get(..len).filter(|_| len <= PUSH_BYTES_MAX)?;
    if checksum(at_ms, message) != *sum {
        return None;
    }
    Some((SealedBatch::from_message(message).ok()?, at_ms, HEAD_BYTES + len))
}

fn checksum(at_ms: u64, message: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&at_ms.to_le_bytes()).update(message);
    let hash = hasher.finalize();
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// Bytes of a BLAKE3 hash that guard against what disks and crashes do; nobody hostile writes here.
const CHECKSUM_BYTES: usize = 8;

/// Length, time, checksum.
const HEAD_BYTES: usize = 4 + 8 + CHECKSUM_BYTES;
