//! The weights of a batch's records, when it is a sample: for how many others each stands.
//!
//! In: rows. Out: nothing when each stands for itself alone, else one byte string, and back. It travels in the message's
//! extensible end beside the details. At most `BATCH_RECORDS_MAX` pairs, none above `RECORD_WEIGHT_MAX`.

use bytes::Bytes;
use overlay::wire::{WireError, decode, encode};

use super::columns::Row;
use crate::limits::{BATCH_RECORDS_MAX, RECORD_WEIGHT_MAX};

/// How many rows in a row have the same number, and that number.
type Run = (u16, u16);

/// The weights of `rows`; none when all are 1.
pub(super) fn pack(rows: &[Row]) -> Result<Option<Bytes>, WireError> {
    if rows.iter().all(|row| row.details.folded == 0) {
        return Ok(None);
    }
    let mut runs: Vec<Run> = Vec::new();
    for row in rows {
        let folded = u16::try_from(row.details.folded).unwrap_or(u16::MAX);
        match runs.last_mut() {
            Some((count, last)) if *last == folded => *count += 1,
            _ => runs.push((1, folded)),
        }
    }
    encode(&runs, RUNS_BYTES_MAX).map(|bytes| Some(bytes.into()))
}

/// Gives `rows` the weights in `packed`.
pub(super) fn unpack(packed: &[u8], rows: &mut [Row]) -> Result<(), WireError> {
    if packed.len() > RUNS_BYTES_MAX {
        return Err(WireError::TooLarge { len: packed.len(), max: RUNS_BYTES_MAX });
    }
    let runs: Vec<Run> = decode(packed, RUNS_DECODE_MAX)?;
    let mut rows = rows.iter_mut();
    for (count, folded) in runs {
        if u32::from(folded) >= RECORD_WEIGHT_MAX || count == 0 || usize::from(count) > rows.len() {
            return Err(WireError::Malformed);
        }
        rows.by_ref().take(count.into()).for_each(|row| row.details.folded = folded.into());
    }
    if rows.next().is_some() { Err(WireError::Malformed) } else { Ok(()) }
}

/// Bytes of a row's weight at most.
pub(super) const WEIGHT_BYTES_MAX: usize = 3 + 3;

const RUNS_BYTES_MAX: usize = 3 + WEIGHT_BYTES_MAX * (BATCH_RECORDS_MAX + 1);

/// What a decode may take in memory: a run is four bytes there.
const RUNS_DECODE_MAX: usize = 2 * RUNS_BYTES_MAX;
