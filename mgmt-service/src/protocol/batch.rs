//! Records on their way to a manager: many in one message, peers and transaction names said once.
//!
//! In: records of one peer. Out: bytes and back. A batch closes at `BATCH_RECORDS_MAX` records or `BATCH_BYTES_MAX`
//! bytes. Who measured is not in it: that is the peer at the other end of the pipe, so nobody can report for another.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use overlay::PeerId;
use overlay::wire::{Ext, WireError, decode, encode, encode_kind};

use super::push::BATCH;
use super::service::{DECODE_BYTES_MAX, VERSION};
use crate::arm::{ArmRecord, Correlator, DestStatus, Path, Reason, Split, Status};
use crate::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, PUSH_BYTES_MAX, TRANSACTION_NAME_BYTES_MAX};

/// A batch as a manager reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    /// Random, new whenever the agent starts the subscription from nothing; numbers count within it.
    pub boot: u64,
    /// From 1, without gaps.
    pub seq: u64,
    /// Records that the subscription has lost since it began, because the manager did not keep up.
    pub dropped: u64,
    /// The records, in the order in which their transactions ended.
    pub records: Vec<ArmRecord>,
}

impl RecordBatch {
    /// The batch in the body of a push message from `peer`, who measured everything in it.
    pub(super) fn decode(peer: PeerId, body: &[u8]) -> Result<Self, WireError> {
        let (boot, seq, dropped, wire, ext): (u64, u64, u64, WireRecords, Ext) =
            decode(body, DECODE_BYTES_MAX)?;
        let WireRecords { base_ms, peers, transactions, rows } = wire;
        if rows.len() > BATCH_RECORDS_MAX {
            return Err(WireError::TooLarge { len: rows.len(), max: BATCH_RECORDS_MAX });
        }
        let peers: Vec<PeerId> = peers
            .iter()
            .map(|bytes| PeerId::from_bytes(bytes).map_err(|_| WireError::Malformed))
            .collect::<Result<_, _>>()?;
        if transactions.iter().any(|name| name.len() > TRANSACTION_NAME_BYTES_MAX) {
            return Err(WireError::Malformed);
        }
        let transactions: Vec<Arc<str>> = transactions.into_iter().map(Arc::from).collect();
        let mut records: Vec<ArmRecord> = rows
            .into_iter()
            .map(|row| row.read(peer, base_ms, &peers, &transactions).ok_or(WireError::Malformed))
            .collect::<Result<_, _>>()?;
        if let Some((_, bytes)) = ext.iter().find(|(kind, _)| *kind == EXT_SPLITS) {
            read_splits(bytes, &mut records)?;
        }
        Ok(Self { boot, seq, dropped, records })
    }
}

/// Collects records until a batch is full.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    wire: WireRecords,
    peer_places: HashMap<PeerId, u32>,
    transaction_places: HashMap<Arc<str>, u32>,
    /// One for each row; sent only when one of them is not empty.
    splits: Vec<WireSplit>,
    /// Bytes of all that is in it, at most.
    bytes: usize,
}

impl BatchBuilder {
    /// Adds a record. One too many is still taken, since a message has room for it.
    pub fn push(&mut self, record: &ArmRecord) {
        if self.wire.rows.is_empty() {
            self.wire.base_ms = record.at_ms;
        }
        let dest = match self.peer_places.get(&record.dest) {
            Some(place) => *place,
            None => {
                let (place, bytes) = (self.peer_places.len() as u32, record.dest.to_bytes());
                self.bytes += bytes.len() + LENGTH_BYTES;
                self.wire.peers.push(bytes.into());
                self.peer_places.insert(record.dest, place);
                place
            }
        };
        let transaction = match self.transaction_places.get(&record.transaction) {
            Some(place) => *place,
            None => {
                let place = self.transaction_places.len() as u32;
                self.bytes += record.transaction.len() + LENGTH_BYTES;
                self.wire.transactions.push(record.transaction.to_string());
                self.transaction_places.insert(record.transaction.clone(), place);
                place
            }
        };
        let split = record.split.values().map(|part| part.map_or(0, |part| part.saturating_add(1)));
        self.bytes += ROW_BYTES_MAX + split.map(varint_bytes_max).iter().sum::<usize>();
        self.splits.push(split);
        self.wire.rows.push(Row::write(record, self.wire.base_ms, dest, transaction));
    }

    /// How many records are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.wire.rows.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wire.rows.is_empty()
    }

    /// Whether it should be closed now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= BATCH_RECORDS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    /// The whole message; the builder is empty afterwards.
    ///
    /// # Errors
    /// None for a builder that was closed when full.
    pub fn close(&mut self, boot: u64, seq: u64, dropped: u64) -> Result<Bytes, WireError> {
        let Self { wire, splits, .. } = std::mem::take(self);
        let mut ext = Ext::new();
        if splits.iter().any(|split| *split != WireSplit::default()) {
            ext.push((EXT_SPLITS, encode(&splits, PUSH_BYTES_MAX)?.into()));
        }
        encode_kind(VERSION, BATCH, &(boot, seq, dropped, wire, ext), PUSH_BYTES_MAX).map(Bytes::from)
    }
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct WireRecords {
    /// Milliseconds since 1970 of the first record.
    base_ms: u64,
    /// Bytes of each PeerId that was asked.
    peers: Vec<Bytes>,
    transactions: Vec<String>,
    rows: Vec<Row>,
}

/// One record; small numbers take one byte each.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Row {
    /// Milliseconds after the first record, before it when negative.
    at: i64,
    dest: u32,
    transaction: u32,
    /// Eight bytes as they are: random bits gain nothing from a varint.
    correlator: [u8; 8],
    /// Four codes of four bits: status, reason, path, status of the receiver.
    codes: u16,
    /// Microseconds + 1; 0 for none.
    response: u64,
    /// Microseconds + 1; 0 for none.
    hold: u64,
}

impl Row {
    fn write(record: &ArmRecord, base_ms: u64, dest: u32, transaction: u32) -> Self {
        let code = |code: u8, place: u32| u16::from(code & 0xf) << (4 * place);
        let measured = |micros: Option<u64>| micros.map_or(0, |micros| micros.saturating_add(1));
        Self {
            at: record.at_ms.wrapping_sub(base_ms).cast_signed(),
            dest,
            transaction,
            correlator: record.correlator.0.to_be_bytes(),
            codes: code(record.status.code(), 0)
                | code(record.reason.code(), 1)
                | code(record.path.code(), 2)
                | code(record.dest_status.code(), 3),
            response: measured(record.response_us),
            hold: measured(record.hold_us),
        }
    }

    fn read(
        self,
        peer: PeerId,
        base_ms: u64,
        peers: &[PeerId],
        transactions: &[Arc<str>],
    ) -> Option<ArmRecord> {
        let code = |place: u32| ((self.codes >> (4 * place)) & 0xf) as u8;
        Some(ArmRecord {
            at_ms: base_ms.wrapping_add(self.at.cast_unsigned()),
            peer,
            transaction: transactions.get(self.transaction as usize)?.clone(),
            dest: *peers.get(self.dest as usize)?,
            dest_status: DestStatus::from_code(code(3))?,
            correlator: Correlator(u64::from_be_bytes(self.correlator)),
            status: Status::from_code(code(0))?,
            response_us: self.response.checked_sub(1),
            hold_us: self.hold.checked_sub(1),
            path: Path::from_code(code(2))?,
            reason: Reason::from_code(code(1))?,
            split: Split::default(),
        })
    }
}

/// The parts of one row's [`Split`], each microseconds + 1; 0 for none.
type WireSplit = [u64; 4];

/// Puts the splits into their records; a reader that does not know them leaves them out.
fn read_splits(bytes: &[u8], records: &mut [ArmRecord]) -> Result<(), WireError> {
    let splits: Vec<WireSplit> = decode(bytes, DECODE_BYTES_MAX)?;
    if splits.len() != records.len() {
        return Err(WireError::Malformed);
    }
    for (record, split) in records.iter_mut().zip(splits) {
        record.split = Split::of(split.map(|part| part.checked_sub(1)));
    }
    Ok(())
}

/// Bytes that a number takes on the wire.
const fn varint_bytes_max(number: u64) -> usize {
    match number {
        0..=250 => 1,
        251..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// The number under which a batch carries the splits of its rows.
const EXT_SPLITS: u16 = 1;

/// Bytes of a row at its longest: five varints of 9, 5, 5, 9 and 9 bytes, the codes, the correlator.
const ROW_BYTES_MAX: usize = 48;

/// Bytes of a length before text or bytes, at its longest here.
const LENGTH_BYTES: usize = 3;

#[cfg(test)]
mod tests;
