//! The rows of a batch as columns: what repeats from row to row lies together and compresses to almost nothing.
//!
//! In: rows. Out: two byte strings and back. What looks random (the guarded half of the correlators, the low byte of each
//! response time) stays out of the compressor, where it would spoil the code of everything else. Decompressing is bounded
//! by `COLUMNS_BYTES_MAX` before anything is written.

use bytes::Bytes;
use overlay::wire::{WireError, decode, encode};
use serde::{Deserialize, Serialize};

use super::super::service::DECODE_BYTES_MAX;
use super::{details, weights};
use crate::arm::Details;
use crate::limits::{BATCH_RECORDS_MAX, COLUMNS_BYTES_MAX, COLUMNS_ZSTD_LEVEL};

/// One record; dest and transaction by their places in the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) at_ms: u64,
    pub(super) dest: u32,
    pub(super) transaction: u32,
    pub(super) correlator: u64,
    /// Four codes of four bits: status, reason, path, status of the receiver.
    pub(super) codes: u16,
    /// Microseconds + 1; 0 for none. This and the following.
    pub(super) response: u64,
    pub(super) hold: u64,
    pub(super) split: [u64; 4],
    pub(super) details: Details,
}

/// The columns that are compressed; all of one length, but for those of parts that no row has, which are empty.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Columns {
    /// The upper half of the correlator, minus that of the row before.
    seq: Vec<i64>,
    /// Milliseconds after the row before.
    at: Vec<i64>,
    dest: Vec<u32>,
    transaction: Vec<u32>,
    codes: Vec<u16>,
    /// The response without its low byte.
    response: Vec<u64>,
    hold: Vec<u64>,
    split: [Vec<u64>; 4],
}

/// Rows as they travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    /// The lower half of each correlator, then the low byte of each response.
    pub(super) plain: Bytes,
    /// The rest, compressed.
    pub(super) packed: Bytes,
    /// What only some rows have, when one does.
    pub(super) details: Option<Bytes>,
    /// For how many others each row stands, when one does for any.
    pub(super) weights: Option<Bytes>,
}

/// Packs `rows`.
pub(super) fn pack(rows: &[Row]) -> Result<Packed, WireError> {
    let (mut columns, mut before_seq, mut before_at) = (Columns::default(), 0_i64, 0_u64);
    for row in rows {
        let seq = (row.correlator >> 32).cast_signed();
        columns.seq.push(seq - before_seq);
        columns.at.push(row.at_ms.wrapping_sub(before_at).cast_signed());
        (before_seq, before_at) = (seq, row.at_ms);
        columns.dest.push(row.dest);
        columns.transaction.push(row.transaction);
        columns.codes.push(row.codes);
        columns.response.push(row.response >> 8);
        columns.hold.push(row.hold);
    }
    for (part, column) in columns.split.iter_mut().enumerate() {
        let values = || rows.iter().filter_map(|row| row.split.get(part).copied());
        if values().any(|value| value != 0) {
            column.extend(values());
        }
    }
    let guarded = rows.iter().flat_map(|row| (row.correlator as u32).to_be_bytes());
    let plain = guarded.chain(rows.iter().map(|row| row.response as u8)).collect();
    let columns = encode(&columns, COLUMNS_BYTES_MAX)?;
    let packed = zstd::bulk::compress(&columns, COLUMNS_ZSTD_LEVEL).map_err(|_| WireError::Malformed)?;
    let (details, weights) = (details::pack(rows)?, weights::pack(rows)?);
    Ok(Packed { plain, packed: packed.into(), details, weights })
}

/// The rows in `packed`, at most `BATCH_RECORDS_MAX`.
pub(super) fn unpack(Packed { plain, packed, details, weights }: &Packed) -> Result<Vec<Row>, WireError> {
    let count = plain.len() / PLAIN_BYTES;
    if count > BATCH_RECORDS_MAX {
        return Err(WireError::TooLarge { len: count, max: BATCH_RECORDS_MAX });
    }
    let columns = zstd::bulk::decompress(packed, COLUMNS_BYTES_MAX).map_err(|_| WireError::Malformed)?;
    let columns: Columns = decode(&columns, DECODE_BYTES_MAX)?;
    let Columns { seq, at, dest, transaction, codes, response, hold, split } = columns;
    let lengths =
        [seq.len(), at.len(), dest.len(), transaction.len(), codes.len(), response.len(), hold.len()];
    let splits = split.iter().all(|column| column.is_empty() || column.len() == count);
    if plain.len() != count * PLAIN_BYTES || lengths != [count; 7] || !splits {
        return Err(WireError::Malformed);
    }
    let (guarded, low) = plain.split_at_checked(count * GUARDED_BYTES).ok_or(WireError::Malformed)?;
    let (mut seq_sum, mut at_sum) = (0_i64, 0_u64);
    let mut split = split.map(|column| column.into_iter());
    let numbers = seq.into_iter().zip(at).zip(dest.into_iter().zip(transaction)).zip(codes);
    let rows = numbers.zip(response.into_iter().zip(hold)).zip(guarded.chunks_exact(GUARDED_BYTES).zip(low));
    let rows = rows.map(|(((((seq, at), (dest, transaction)), codes), (response, hold)), (guarded, low))| {
        seq_sum = seq_sum.wrapping_add(seq);
        at_sum = at_sum.wrapping_add(at.cast_unsigned());
        let seq = u32::try_from(seq_sum).map_err(|_| WireError::Malformed)?;
        let guarded: [u8; GUARDED_BYTES] = guarded.try_into().map_err(|_| WireError::Malformed)?;
        Ok(Row {
            at_ms: at_sum,
            dest,
            transaction,
            correlator: (u64::from(seq) << 32) | u64::from(u32::from_be_bytes(guarded)),
            codes,
            response: (response << 8) | u64::from(*low),
            hold,
            split: split.each_mut().map(|column| column.next().unwrap_or(0)),
            details: Details::default(),
        })
    });
    let mut rows = rows.collect::<Result<Vec<Row>, WireError>>()?;
    if let Some(details) = details {
        details::unpack(details, &mut rows)?;
    }
    if let Some(weights) = weights {
        weights::unpack(weights, &mut rows)?;
    }
    Ok(rows)
}

/// Bytes of a row that are not compressed.
pub(super) const PLAIN_BYTES: usize = GUARDED_BYTES + 1;

/// Bytes of the half of a correlator that can't be guessed.
const GUARDED_BYTES: usize = 4;
