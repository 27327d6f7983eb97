//! What a peer keeps of its cache on a disk: signed envelopes with the time at which they end.
//!
//! In: records, or the bytes of a file that anything may have happened to. Out: bytes, or every record that is whole.
//! Each record opens with a mark and is checked by itself, so a torn or changed one costs no other.

use std::time::Duration;

use bytes::Bytes;

use crate::limits::ADVERTISEMENT_BYTES_MAX;

/// One thing that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CacheRecord {
    /// A signed advertisement.
    Advertisement {
        /// When it was last known to be true, in milliseconds since the epoch.
        known_ms: u64,
        /// When its lifetime ends, in milliseconds since the epoch.
        ends_ms: u64,
        /// Its signed bytes.
        envelope: Bytes,
    },
    /// The greatest sequence that this peer has signed with.
    Sequence(u64),
}

/// The records as the bytes of a file.
pub(crate) fn encode<'a>(records: impl IntoIterator<Item = &'a CacheRecord>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let (known_ms, ends_ms, envelope) = match record {
            CacheRecord::Advertisement { known_ms, ends_ms, envelope } => {
                (*known_ms, *ends_ms, &envelope[..])
            }
            CacheRecord::Sequence(sequence) => (*sequence, 0, &[][..]),
        };
        // Signed advertisements are far shorter than the bound of this number.
        let Ok(len) = u32::try_from(envelope.len()) else { continue };
        let body =
            [&known_ms.to_le_bytes()[..], &ends_ms.to_le_bytes(), &len.to_le_bytes(), envelope].concat();
        bytes.extend_from_slice(&MARK);
        bytes.extend_from_slice(&check(&body));
        bytes.extend_from_slice(&body);
    }
    bytes
}

/// Every whole record in `bytes`, and how often something was skipped to find it.
pub(crate) fn decode(bytes: &[u8]) -> (Vec<CacheRecord>, u64) {
    let (mut records, mut skipped, mut at, mut lost) = (Vec::new(), 0, 0, false);
    while at < bytes.len() {
        match record_at(bytes, at) {
            Some((record, next)) => {
                records.push(record);
                (at, lost) = (next, false);
            }
            None => {
                skipped += u64::from(!std::mem::replace(&mut lost, true));
                at += 1;
            }
        }
    }
    (records, skipped)
}

/// For how long what was known at `known_ms` and ends at `ends_ms` still counts at `now_ms`: never longer than its
/// `lifetime`, nor than it was to count when it was written, wherever the clock went since.
pub(crate) fn remaining(now_ms: u64, known_ms: u64, ends_ms: u64, lifetime: Duration) -> Duration {
    Duration::from_millis(ends_ms.saturating_sub(now_ms.max(known_ms))).min(lifetime)
}

/// The record that begins at `at`, and where the next one does.
fn record_at(bytes: &[u8], at: usize) -> Option<(CacheRecord, usize)> {
    let rest = bytes.get(at..)?.strip_prefix(&MARK)?;
    let (expected, body) = rest.split_first_chunk::<CHECK>()?;
    let (known_ms, tail) = body.split_first_chunk::<8>()?;
    let (ends_ms, tail) = tail.split_first_chunk::<8>()?;
    let (len, tail) = tail.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok().filter(|len| *len <= ADVERTISEMENT_BYTES_MAX)?;
    let envelope = tail.get(..len)?;
    if check(body.get(..HEADER + len)?) != *expected {
        return None;
    }
    let (known_ms, ends_ms) = (u64::from_le_bytes(*known_ms), u64::from_le_bytes(*ends_ms));
    let record = if envelope.is_empty() {
        CacheRecord::Sequence(known_ms)
    } else {
        CacheRecord::Advertisement { known_ms, ends_ms, envelope: Bytes::copy_from_slice(envelope) }
    };
    Some((record, at + MARK.len() + CHECK + HEADER + len))
}

/// Tells a whole record from a torn one. It is no proof of origin: the envelope's own signature is.
fn check(body: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    blake3::Hasher::new_derive_key("juxta cache record 1").update(body).finalize_xof().fill(&mut check);
    check
}

/// Opens each record.
const MARK: [u8; 4] = *b"JxA1";
/// Bytes of a record's check.
const CHECK: usize = 8;
/// Bytes of the two times and the length.
const HEADER: usize = 8 + 8 + 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> Vec<CacheRecord> {
        let advertisement = |number: u8| CacheRecord::Advertisement {
            known_ms: 1_000 + u64::from(number),
            ends_ms: 9_000,
            envelope: Bytes::from(vec![number; 20 + usize::from(number)]),
        };
        vec![CacheRecord::Sequence(77), advertisement(1), advertisement(2), advertisement(3)]
    }

    #[test]
    fn each_flipped_bit_costs_one_record_at_most() {
        let (records, whole) = (records(), encode(&records()));
        assert_eq!(decode(&whole), (records.clone(), 0));
        for position in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[position / 8] ^= 1 << (position % 8);
            let (found, skipped) = decode(&bytes);
            assert_eq!((found.len(), skipped), (records.len() - 1, 1), "bit {position}");
            assert!(found.iter().all(|record| records.contains(record)), "bit {position}");
        }
    }

    #[test]
    fn a_file_torn_anywhere_keeps_what_is_whole() {
        let (records, whole) = (records(), encode(&records()));
        for len in 0..whole.len() {
            let (found, _) = decode(&whole[..len]);
            assert_eq!(found, records[..found.len()], "{len} bytes");
        }
        let foreign = [b"PNG\r\n, then JxA1JxA1".as_slice(), &whole, b"JxA1"].concat();
        assert_eq!(decode(&foreign), (records, 2));
    }

    #[test]
    fn no_clock_makes_anything_live_longer() {
        let minute = Duration::from_secs(60);
        assert_eq!(remaining(5_000, 1_000, 61_000, minute), Duration::from_millis(56_000));
        assert_eq!(remaining(0, 1_000, 61_000, minute), minute, "the clock was set back");
        assert_eq!(remaining(99_000, 1_000, 61_000, minute), Duration::ZERO, "it is over");
        assert_eq!(remaining(0, 0, u64::MAX, minute), minute, "the file lies");
    }

    proptest! {
        #[test]
        fn any_bytes_are_records_or_skipped(bytes: Vec<u8>) {
            let (records, skipped) = decode(&bytes);
            prop_assert!(bytes.is_empty() || !records.is_empty() || skipped > 0);
        }
    }
}
