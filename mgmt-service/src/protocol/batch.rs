//! Records on their way to a manager: many in one message, column by column, names of peers and transactions said once.
//!
//! In: records of one peer. Out: bytes and back. A batch closes at `BATCH_RECORDS_MAX` records or `BATCH_BYTES_MAX`
//! bytes. Who measured is not in it: that is the peer at the other end of the pipe, so nobody can report for another.

mod columns;
mod details;
mod dictionary;
mod weights;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use overlay::PeerId;
use overlay::wire::{Ext, WireError, decode, encode_kind, split_kind};

use self::columns::{PLAIN_BYTES, Packed, Row, pack, unpack};
use super::push::BATCH;
use super::service::{DECODE_BYTES_MAX, VERSION, check_len};
use crate::arm::{ArmRecord, Correlator, DestStatus, Path, Reason, Split, Status};
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_RECORDS_MAX, COUNT_MAX, PUSH_BYTES_MAX, TRANSACTION_NAME_BYTES_MAX,
};

pub use dictionary::{DictionaryReader, DictionaryWriter};

/// A batch as a manager reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    /// Random, new whenever the agent starts the subscription from nothing; numbers count within it.
    pub boot: u64,
    /// From 1, without gaps.
    pub seq: u64,
    /// Records that the subscription has lost since it began, because the manager did not keep up.
    pub dropped: u64,
    /// The records, by their correlators: those of one definition in the order in which they started.
    pub records: Vec<ArmRecord>,
}

impl RecordBatch {
    /// Transactions for which the records stand besides themselves: no loss, their figures count them.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.records.iter().map(|record| u64::from(record.details.folded)).sum()
    }

    /// The batch in the body of a push message from `peer`, who measured everything in it.
    pub(super) fn decode(
        peer: PeerId,
        dictionary: &mut DictionaryReader,
        body: &[u8],
    ) -> Result<Self, WireError> {
        let sealed = SealedBatch::decode(dictionary, body)?;
        let records = sealed.records(peer)?;
        let dropped = sealed.dropped.min(COUNT_MAX);
        Ok(Self { boot: sealed.boot, seq: sealed.seq, dropped, records })
    }
}

/// A closed batch at its agent, in the form in which it waits to be sent, perhaps more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBatch {
    boot: u64,
    seq: u64,
    dropped: u64,
    peers: Vec<PeerId>,
    transactions: Vec<String>,
    rows: Packed,
}

impl SealedBatch {
    /// Its number.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How many records are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.plain.len() / PLAIN_BYTES
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Says it anew: of this boot, and with what was lost by now.
    pub fn relabel(&mut self, boot: u64, dropped: u64) {
        (self.boot, self.dropped) = (boot, dropped);
    }

    /// Records that were lost before it was closed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Its records, which `peer` measured.
    ///
    /// # Errors
    /// [`WireError`] when it can't have been closed by a [`BatchBuilder`].
    pub fn records(&self, peer: PeerId) -> Result<Vec<ArmRecord>, WireError> {
        let transactions: Vec<Arc<str>> = self.transactions.iter().map(|name| Arc::from(&**name)).collect();
        let rows = unpack(&self.rows)?.into_iter();
        rows.map(|row| read(&row, peer, &self.peers, &transactions).ok_or(WireError::Malformed)).collect()
    }

    /// The batch in a message that was made for a pipe that had said nothing.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub fn from_message(bytes: &[u8]) -> Result<Self, WireError> {
        check_len(bytes, PUSH_BYTES_MAX)?;
        match split_kind(VERSION, bytes)? {
            (BATCH, body) => Self::decode(&mut DictionaryReader::default(), body),
            (got, _) => Err(WireError::UnknownKind { got }),
        }
    }

    /// The whole message, for a pipe that has said what is in `dictionary`.
    ///
    /// # Errors
    /// None for a batch that was closed when full.
    pub fn message(&self, dictionary: &mut DictionaryWriter) -> Result<Bytes, WireError> {
        let said: Vec<u32> = self.peers.iter().map(|peer| dictionary.write(peer)).collect();
        let new = self.peers.iter().zip(&said).filter(|(_, said)| **said == 0);
        let new: Vec<Bytes> = new.map(|(peer, _)| peer.to_bytes().into()).collect();
        let Packed { plain, packed, details, weights } = &self.rows;
        let sparse = [(DETAILS, details), (WEIGHTS, weights)];
        let ext: Ext =
            sparse.into_iter().filter_map(|(field, bytes)| Some((field, bytes.as_ref()?.clone()))).collect();
        let head = (self.boot, self.seq, self.dropped);
        let body = (head, said, new, &self.transactions, plain, packed, ext);
        encode_kind(VERSION, BATCH, &body, PUSH_BYTES_MAX).map(Bytes::from)
    }

    fn decode(dictionary: &mut DictionaryReader, body: &[u8]) -> Result<Self, WireError> {
        let ((boot, seq, dropped), said, new, transactions, plain, packed, ext): WireBatch =
            decode(body, DECODE_BYTES_MAX)?;
        if transactions.iter().any(|name| name.len() > TRANSACTION_NAME_BYTES_MAX) {
            return Err(WireError::Malformed);
        }
        if said.len() > BATCH_RECORDS_MAX {
            return Err(WireError::TooLarge { len: said.len(), max: BATCH_RECORDS_MAX });
        }
        let peers = dictionary.read(&said, &new)?;
        let field = |wanted| ext.iter().find_map(|(field, bytes)| (*field == wanted).then(|| bytes.clone()));
        let (details, weights) = (field(DETAILS), field(WEIGHTS));
        Ok(Self { boot, seq, dropped, peers, transactions, rows: Packed { plain, packed, details, weights } })
    }
}

/// (boot, number, dropped), places of the peers, ids of those that are new, names, rows, what was added later.
type WireBatch = ((u64, u64, u64), Vec<u32>, Vec<Bytes>, Vec<String>, Bytes, Bytes, Ext);

/// The field of the extensible end that has what only some records have.
const DETAILS: u16 = 1;

/// The field that says for how many others each record stands.
const WEIGHTS: u16 = 2;

/// Collects records until a batch is full.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    rows: Vec<Row>,
    peers: Vec<PeerId>,
    transactions: Vec<String>,
    peer_places: HashMap<PeerId, u32>,
    transaction_places: HashMap<Arc<str>, u32>,
    /// Bytes of all that is in it, at most.
    bytes: usize,
}

impl BatchBuilder {
    /// Adds a record. One too many is still taken, since a message has room for it.
    pub fn push(&mut self, record: &ArmRecord) {
        let dest = match self.peer_places.get(&record.dest) {
            Some(place) => *place,
            None => {
                let place = self.peers.len() as u32;
                self.bytes += PEER_BYTES_MAX;
                self.peers.push(record.dest);
                self.peer_places.insert(record.dest, place);
                place
            }
        };
        let transaction = match self.transaction_places.get(&record.transaction) {
            Some(place) => *place,
            None => {
                let place = self.transactions.len() as u32;
                self.bytes += record.transaction.len() + LENGTH_BYTES;
                self.transactions.push(record.transaction.to_string());
                self.transaction_places.insert(record.transaction.clone(), place);
                place
            }
        };
        let row = write(record, dest, transaction);
        self.bytes += row_bytes_max(&row);
        self.rows.push(row);
    }

    /// How many records are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether it should be closed now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= BATCH_RECORDS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    /// The batch with its number; the builder is empty afterwards.
    ///
    /// # Errors
    /// None for a builder that was closed when full.
    pub fn close(&mut self, boot: u64, seq: u64, dropped: u64) -> Result<SealedBatch, WireError> {
        let Self { mut rows, peers, transactions, .. } = std::mem::take(self);
        // In the order of their starts the numbers grow by one and those asked come in turn.
        rows.sort_by_key(|row| row.correlator);
        Ok(SealedBatch { boot, seq, dropped, peers, transactions, rows: pack(&rows)? })
    }
}

fn write(record: &ArmRecord, dest: u32, transaction: u32) -> Row {
    let code = |code: u8, place: u32| u16::from(code & 0xf) << (4 * place);
    let measured = |micros: Option<u64>| micros.map_or(0, |micros| micros.saturating_add(1));
    Row {
        at_ms: record.at_ms,
        dest,
        transaction,
        correlator: record.correlator.0,
        codes: code(record.status.code(), 0)
            | code(record.reason.code(), 1)
            | code(record.path.code(), 2)
            | code(record.dest_status.code(), 3),
        response: measured(record.response_us),
        hold: measured(record.hold_us),
        split: record.split.values().map(measured),
        details: record.details.clone(),
    }
}

fn read(row: &Row, peer: PeerId, peers: &[PeerId], transactions: &[Arc<str>]) -> Option<ArmRecord> {
    let code = |place: u32| ((row.codes >> (4 * place)) & 0xf) as u8;
    Some(ArmRecord {
        at_ms: row.at_ms,
        peer,
        transaction: transactions.get(row.transaction as usize)?.clone(),
        dest: *peers.get(row.dest as usize)?,
        dest_status: DestStatus::from_code(code(3))?,
        correlator: Correlator(row.correlator),
        status: Status::from_code(code(0))?,
        response_us: row.response.checked_sub(1),
        hold_us: row.hold.checked_sub(1),
        path: Path::from_code(code(2))?,
        reason: Reason::from_code(code(1))?,
        details: row.details.clone(),
        split: Split::of(row.split.map(|part| part.checked_sub(1))),
    })
}

/// Bytes of a row at most, however little the compressor gains.
fn row_bytes_max(row: &Row) -> usize {
    let times = row.split.iter().chain([&row.response, &row.hold]);
    let weight = if row.details.folded > 0 { 2 * weights::WEIGHT_BYTES_MAX } else { 0 };
    let times = times.copied().map(varint_bytes).sum::<usize>();
    ROW_NUMBERS_BYTES + times + details::bytes_max(&row.details) + weight
}

/// Bytes that a number takes on the wire.
const fn varint_bytes(number: u64) -> usize {
    match number {
        0..=250 => 1,
        251..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Bytes of a row's differences of number and time, dest, transaction and codes at their longest, and of what is plain.
const ROW_NUMBERS_BYTES: usize = 9 + 9 + 3 + 3 + 3 + PLAIN_BYTES;

/// Bytes of a PeerId with its length and its place, at its longest.
const PEER_BYTES_MAX: usize = 42 + LENGTH_BYTES + LENGTH_BYTES;

/// Bytes of a length before text or bytes, at its longest here.
const LENGTH_BYTES: usize = 3;

#[cfg(test)]
mod tests;
