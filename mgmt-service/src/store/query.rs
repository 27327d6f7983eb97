//! Questions to the store: records one by one, and sums of them by who asked whom.
//!
//! In: a span of time. Out: records in the order of their time; sums from the finest table that still reaches back so far.

use std::collections::{BTreeMap, HashMap};

use overlay::PeerId;
use rusqlite::{Row, params};

use super::database::{Store, peer_of};
use super::details;
use super::error::StoreError;
use super::keep::{GONE_UNKNOWN, HOUR_MS, MINUTE_MS, MINUTES, RECORDS, SUMMED_ROW};
use super::times::Times;
use crate::arm::{ArmRecord, Correlator, DestStatus, Details, Path, Reason, Split, Status};
use crate::sqlite::signed;

/// A span of time: from its first millisecond since 1970 to the one after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// The first.
    pub since_ms: u64,
    /// The one after the last.
    pub until_ms: u64,
}

/// Transactions of one kind that ended in one way, between one peer and another.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Who asked.
    pub peer: PeerId,
    /// Who was asked.
    pub dest: PeerId,
    /// What was measured.
    pub transaction: String,
    /// How they ended.
    pub status: Status,
    /// Why they did not end well.
    pub reason: Reason,
    /// How many.
    pub count: u64,
    /// The response times of those that have one.
    pub times: Times,
    /// Distinct minutes in which there was one; hours × 60 when only hours are left.
    pub minutes: u64,
}

/// What is known of a peer besides its records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredPeer {
    /// The name that its agent gave last; empty when none did.
    pub name: String,
    /// The program that it runs in.
    pub application: String,
}

impl Store {
    /// Hands out the records of a span in the order of their starts, while they are kept whole.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been handed out.
    pub fn for_each_record(&self, span: Selection, each: impl FnMut(ArmRecord)) -> Result<(), StoreError> {
        // One look at the file for peers and records: who appears meanwhile is in neither.
        let _snapshot = self.connection.unchecked_transaction()?;
        self.scan(span, each)
    }

    /// Sums over a span, by peer, receiver, kind, status and reason. When records of the span are no longer kept whole,
    /// the span begins with its first minute or hour.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn levels(&self, span: Selection) -> Result<Vec<Level>, StoreError> {
        let _snapshot = self.connection.unchecked_transaction()?;
        let mut levels = Levels::default();
        if self.reaches("record", RECORDS, (span.since_ms, 1))? {
            self.scan(span, |record| levels.add(&record))?;
            return Ok(levels.finish(MINUTE_MS));
        }
        let (table, unit_ms) = if self.reaches("minute", MINUTES, (span.since_ms, MINUTE_MS))? {
            ("minute", MINUTE_MS)
        } else {
            ("hour", HOUR_MS)
        };
        self.add_sums(table, unit_ms, span, &mut levels)?;
        self.add_unsummed(span, &mut levels)?;
        Ok(levels.finish(unit_ms))
    }

    /// The peers that the store has ever seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn peers(&self) -> Result<HashMap<PeerId, StoredPeer>, StoreError> {
        let mut statement = self.connection.prepare("SELECT peer, name, application FROM peer")?;
        let mut rows = statement.query([])?;
        let mut peers = HashMap::new();
        while let Some(row) = rows.next()? {
            let peer = peer_of(&row.get::<_, String>(0)?, "peer")?;
            peers.insert(peer, StoredPeer { name: row.get(1)?, application: row.get(2)? });
        }
        Ok(peers)
    }

    fn scan(&self, span: Selection, mut each: impl FnMut(ArmRecord)) -> Result<(), StoreError> {
        let peers = self.ids_of_peers()?;
        let mut statement = self.connection.prepare(
            "SELECT at_ms, record.peer, kind.name, dest, dest_status, corr, status, response_us, hold_us, path, reason,
                queue_us, lookup_us, dial_us, network_us, weight, details
             FROM record JOIN kind ON kind.id = record.kind WHERE at_ms >= ?1 AND at_ms < ?2 ORDER BY at_ms",
        )?;
        let mut rows = statement.query(params![signed(span.since_ms), signed(span.until_ms)])?;
        while let Some(row) = rows.next()? {
            each(record_of(row, &peers)?.ok_or(StoreError::Row { table: "record" })?);
        }
        Ok(())
    }

    /// Whether a table, in units of so many ms, still has all since then.
    fn reaches(&self, table: &str, gone: &str, (since_ms, unit_ms): (u64, i64)) -> Result<bool, StoreError> {
        let Some(gone_up_to_ms) = self.setting(gone)?.map(signed) else { return Ok(true) };
        if gone_up_to_ms != GONE_UNKNOWN {
            return Ok(signed(since_ms) / unit_ms * unit_ms > gone_up_to_ms);
        }
        let sql = format!("SELECT MIN(at_ms) FROM {table}");
        let oldest: Option<i64> = self.connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(oldest.is_some_and(|oldest| oldest <= signed(since_ms)))
    }

    fn ids_of_peers(&self) -> Result<HashMap<i64, PeerId>, StoreError> {
        let mut statement = self.connection.prepare("SELECT id, peer FROM peer")?;
        let mut rows = statement.query([])?;
        let mut peers = HashMap::new();
        while let Some(row) = rows.next()? {
            peers.insert(row.get(0)?, peer_of(&row.get::<_, String>(1)?, "peer")?);
        }
        Ok(peers)
    }

    fn add_sums(
        &self,
        table: &str,
        unit_ms: i64,
        span: Selection,
        levels: &mut Levels,
    ) -> Result<(), StoreError> {
        let peers = self.ids_of_peers()?;
        let sql = format!(
            "SELECT at_ms, peer, dest, kind.name, status, reason, count, times
             FROM {table} JOIN kind ON kind.id = {table}.kind WHERE at_ms >= ?1 AND at_ms < ?2"
        );
        let malformed = || StoreError::Row { table: "minute" };
        let first = signed(span.since_ms) / unit_ms * unit_ms;
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query(params![first, signed(span.until_ms)])?;
        while let Some(row) = rows.next()? {
            let peer = |column| Ok::<_, StoreError>(*peers.get(&row.get(column)?).ok_or_else(malformed)?);
            let status = Status::from_text(&row.get::<_, String>(4)?).ok_or_else(malformed)?;
            let reason = Reason::from_text(&row.get::<_, String>(5)?).ok_or_else(malformed)?;
            let times = Times::from_bytes(&row.get::<_, Vec<u8>>(7)?).map_err(|_| malformed())?;
            let sum = levels.of((peer(1)?, peer(2)?, row.get(3)?, status.code(), reason.code()));
            sum.count += row.get::<_, i64>(6)?.unsigned_abs();
            sum.times.merge(&times);
            sum.note(row.get::<_, i64>(0)? / unit_ms);
        }
        Ok(())
    }

    /// Records that are not summed up yet.
    fn add_unsummed(&self, span: Selection, levels: &mut Levels) -> Result<(), StoreError> {
        let peers = self.ids_of_peers()?;
        let mut statement = self.connection.prepare(
            "SELECT at_ms, record.peer, kind.name, dest, dest_status, corr, status, response_us, hold_us, path, reason,
                queue_us, lookup_us, dial_us, network_us, weight, details
             FROM record JOIN kind ON kind.id = record.kind WHERE row > ?1 AND at_ms >= ?2 AND at_ms < ?3",
        )?;
        let summed = signed(self.setting(SUMMED_ROW)?.unwrap_or(0));
        let mut rows = statement.query(params![summed, signed(span.since_ms), signed(span.until_ms)])?;
        while let Some(row) = rows.next()? {
            levels.add(&record_of(row, &peers)?.ok_or(StoreError::Row { table: "record" })?);
        }
        Ok(())
    }
}

/// Sums in the making.
#[derive(Debug, Default)]
struct Levels(BTreeMap<(PeerId, PeerId, String, u8, u8), Sum>);

#[derive(Debug, Default)]
struct Sum {
    count: u64,
    times: Times,
    units: std::collections::BTreeSet<i64>,
}

impl Sum {
    fn note(&mut self, unit: i64) {
        self.units.insert(unit);
    }
}

impl Levels {
    fn of(&mut self, key: (PeerId, PeerId, String, u8, u8)) -> &mut Sum {
        self.0.entry(key).or_default()
    }

    fn add(&mut self, record: &ArmRecord) {
        let (status, reason) = (record.status.code(), record.reason.code());
        let sum = self.of((record.peer, record.dest, record.transaction.to_string(), status, reason));
        sum.count += record.weight();
        sum.note(signed(record.at_ms) / MINUTE_MS);
        if let Some(us) = record.response_us {
            sum.times.add_weighted(us, record.weight());
        }
    }

    fn finish(self, unit_ms: i64) -> Vec<Level> {
        let minutes_of_unit = (unit_ms / MINUTE_MS).unsigned_abs();
        let level = |((peer, dest, transaction, status, reason), sum): (_, Sum)| Level {
            peer,
            dest,
            transaction,
            status: Status::from_code(status).unwrap_or(Status::Unknown),
            reason: Reason::from_code(reason).unwrap_or(Reason::None),
            count: sum.count,
            times: sum.times,
            minutes: sum.units.len() as u64 * minutes_of_unit,
        };
        self.0.into_iter().map(level).collect()
    }
}

/// The record in a row of the columns that are asked for above.
fn record_of(row: &Row<'_>, peers: &HashMap<i64, PeerId>) -> Result<Option<ArmRecord>, StoreError> {
    let text = |column| row.get::<_, String>(column);
    let number = |column| row.get::<_, Option<i64>>(column).map(|value| value.map(i64::unsigned_abs));
    let peer = |column| row.get::<_, i64>(column).map(|id| peers.get(&id).copied());
    let split = Split::of([number(11)?, number(12)?, number(13)?, number(14)?]);
    let (Some(asker), Some(dest)) = (peer(1)?, peer(3)?) else { return Ok(None) };
    let (Some(dest_status), Some(status)) = (DestStatus::from_text(&text(4)?), Status::from_text(&text(6)?))
    else {
        return Ok(None);
    };
    let (Some(path), Some(reason)) = (Path::from_text(&text(9)?), Reason::from_text(&text(10)?)) else {
        return Ok(None);
    };
    let kept = match row.get::<_, Option<String>>(16)? {
        None => Details::default(),
        Some(text) => match details::of_text(&text) {
            Some(details) => details,
            None => return Ok(None),
        },
    };
    let folded = u32::try_from(row.get::<_, i64>(15)?.saturating_sub(1)).unwrap_or(0);
    Ok(Some(ArmRecord {
        details: Details { folded, ..kept },
        at_ms: row.get::<_, i64>(0)?.unsigned_abs(),
        peer: asker,
        transaction: text(2)?.into(),
        dest,
        dest_status,
        correlator: Correlator(row.get::<_, i64>(5)?.cast_unsigned()),
        status,
        response_us: number(7)?,
        hold_us: number(8)?,
        path,
        reason,
        split,
    }))
}
