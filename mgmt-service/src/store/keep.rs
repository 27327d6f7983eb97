//! What is kept for how long: records become minutes and hours, and go when their time is over or the file is full.
//!
//! In: the time, in ms since 1970. Out: what a round has done. A record is summed up exactly once, in the order of its
//! row, whatever its clock says; none is deleted before it is summed up.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Transaction, params};

use super::database::{Store, set};
use super::error::StoreError;
use super::ids::{Ids, UNUSED_KINDS, UNUSED_PEERS};
use super::times::Times;
use crate::limits::{
    SPOOL_KEPT, STORE_BYTES_MAX, STORE_HOURS_KEPT, STORE_IDS_MAX, STORE_MINUTES_KEPT, STORE_NAMES_INTERVAL,
    STORE_RAW_KEPT, STORE_STEP_RECORDS,
};
use crate::sqlite::signed;

/// How long what is kept, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Records.
    pub raw: Duration,
    /// Minutes.
    pub minutes: Duration,
    /// Hours.
    pub hours: Duration,
    /// Bytes of the file that may be in use.
    pub bytes_max: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            raw: STORE_RAW_KEPT,
            minutes: STORE_MINUTES_KEPT,
            hours: STORE_HOURS_KEPT,
            bytes_max: STORE_BYTES_MAX,
        }
    }
}

/// What one round has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeptRound {
    /// Records summed up.
    pub summed: u64,
    /// Rows whose time was over.
    pub expired: u64,
    /// Rows that went before their time because the file is full.
    pub discarded: u64,
}

/// Whose sum it is: start, peer, receiver, kind, status, reason.
type Key = (i64, i64, i64, i64, String, String);

impl Store {
    /// Sums up what is new, deletes what is old, and what is too much. Each step is a transaction of its own.
    ///
    /// # Errors
    /// [`StoreError`]; the steps before are done.
    pub fn keep(&mut self, now_ms: u64, retention: &Retention) -> Result<KeptRound, StoreError> {
        let mut round = KeptRound::default();
        loop {
            let summed = self.sum_up()?;
            round.summed += summed;
            if summed < STORE_STEP_RECORDS {
                break;
            }
        }
        let before = |kept: Duration| {
            let kept = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
            signed(now_ms.saturating_sub(kept))
        };
        let steps = [
            (RECORDS, EXPIRED_RECORDS, before(retention.raw)),
            (MINUTES, EXPIRED_MINUTES, before(retention.minutes)),
            (HOURS, EXPIRED_HOURS, before(retention.hours)),
        ];
        for (table, sql, before) in steps {
            loop {
                let expired =
                    self.connection.execute(sql, params![before, signed(STORE_STEP_RECORDS)])? as u64;
                if expired > 0 {
                    self.note_gone(table, before - 1)?;
                }
                round.expired += expired;
                if expired < STORE_STEP_RECORDS {
                    break;
                }
            }
        }
        self.expire_usage(before(retention.hours))?;
        // Not while an agent may still bring what it kept.
        self.expire_deliveries(before(retention.hours.max(SPOOL_KEPT)))?;
        round.discarded = self.make_room(retention.bytes_max)?;
        // When all else is gone, names alone may fill the file.
        let is_full = self.bytes_used()? > retention.bytes_max;
        let swept_ms = self.setting(SWEPT)?.unwrap_or(0);
        let is_due = u128::from(now_ms.abs_diff(swept_ms)) >= STORE_NAMES_INTERVAL.as_millis();
        if is_full || is_due && self.names()? > STORE_IDS_MAX as u64 {
            self.sweep(now_ms)?;
        }
        Ok(round)
    }

    /// The largest size that the file may have, beyond which SQLite itself refuses to write.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn limit_size(&self, bytes_max: u64) -> Result<(), StoreError> {
        let pages = bytes_max.saturating_add(bytes_max / 8) / self.pragma("page_size")?.max(1);
        self.connection.pragma_update(None, "max_page_count", signed(pages.max(1)))?;
        Ok(())
    }

    /// Bytes of the file that are in use.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bytes_used(&self) -> Result<u64, StoreError> {
        let pages = self.pragma("page_count")?.saturating_sub(self.pragma("freelist_count")?);
        Ok(pages.saturating_mul(self.pragma("page_size")?))
    }

    fn pragma(&self, name: &str) -> Result<u64, StoreError> {
        Ok(self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Notes that a table no longer holds all up to this time. Deleted by row, what is gone may be later than what is left.
    fn note_gone(&self, table: &'static str, up_to_ms: i64) -> Result<(), StoreError> {
        let up_to_ms = up_to_ms.max(GONE_UNKNOWN).unsigned_abs();
        if self.setting(table)?.is_none_or(|noted| noted < up_to_ms) {
            self.set(table, up_to_ms)
        } else {
            Ok(())
        }
    }

    /// Sums up the next records; how many.
    fn sum_up(&mut self) -> Result<u64, StoreError> {
        let from = self.setting(SUMMED_ROW)?.unwrap_or(0);
        let transaction = self.connection.transaction()?;
        let (mut sums, mut last, mut count) = (BTreeMap::<Key, Sum>::new(), from, 0);
        {
            let mut statement = transaction.prepare_cached(
                "SELECT row, at_ms, peer, dest, kind, status, reason, response_us, weight FROM record
                 WHERE row > ?1 ORDER BY row LIMIT ?2",
            )?;
            let mut rows = statement.query(params![signed(from), signed(STORE_STEP_RECORDS)])?;
            while let Some(row) = rows.next()? {
                let minute = row.get::<_, i64>(1)? / MINUTE_MS * MINUTE_MS;
                let key = (minute, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?);
                let us = row.get::<_, Option<i64>>(7)?.map(i64::unsigned_abs);
                sums.entry(key).or_default().add(us, row.get::<_, i64>(8)?.unsigned_abs());
                last = row.get::<_, i64>(0)?.unsigned_abs();
                count += 1;
            }
        }
        let mut hours = BTreeMap::<Key, Sum>::new();
        for ((at_ms, peer, dest, kind, status, reason), sum) in &sums {
            let key = (at_ms / HOUR_MS * HOUR_MS, *peer, *dest, *kind, status.clone(), reason.clone());
            hours.entry(key).or_default().merge(sum);
        }
        for (table, sums) in [("minute", sums), ("hour", hours)] {
            for (key, sum) in sums {
                add_sum(&transaction, table, &key, sum)?;
            }
        }
        set(&transaction, SUMMED_ROW, last)?;
        transaction.commit()?;
        Ok(count)
    }

    /// Peers and names of transactions in the store.
    fn names(&self) -> Result<u64, StoreError> {
        let count = "SELECT (SELECT count(*) FROM peer) + (SELECT count(*) FROM kind)";
        Ok(self.connection.query_row(count, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Deletes peers and names of transactions that no row names any more. Costs a pass over all records.
    fn sweep(&mut self, now_ms: u64) -> Result<(), StoreError> {
        // Before, so that a row that is gone is never taken for one that is there.
        self.ids = Ids::default();
        self.connection.execute(UNUSED_PEERS, [])?;
        self.connection.execute(UNUSED_KINDS, [])?;
        self.set(SWEPT, now_ms)
    }

    /// Deletes the oldest until the file is small enough; how many rows.
    fn make_room(&mut self, bytes_max: u64) -> Result<u64, StoreError> {
        let mut discarded = 0;
        let step = params![signed(STORE_STEP_RECORDS)];
        let tables = [
            (RECORDS, LAST_OF_RECORDS, OLDEST_RECORDS),
            (MINUTES, LAST_OF_MINUTES, OLDEST_MINUTES),
            (HOURS, LAST_OF_HOURS, OLDEST_HOURS),
        ];
        for (table, last, sql) in tables {
            while self.bytes_used()? > bytes_max {
                let last: Option<i64> = self.connection.query_row(last, step, |row| row.get(0))?;
                let Some(last) = last else { break };
                self.note_gone(table, last)?;
                discarded += self.connection.execute(sql, step)? as u64;
            }
        }
        if discarded > 0 {
            let before = self.setting(DISCARDED)?.unwrap_or(0);
            self.set(DISCARDED, before.saturating_add(discarded))?;
        }
        Ok(discarded)
    }
}

/// A sum in the making: how many, and the times of those that have one.
#[derive(Debug, Default)]
struct Sum {
    count: u64,
    times: Times,
}

impl Sum {
    fn add(&mut self, response_us: Option<u64>, weight: u64) {
        self.count += weight;
        if let Some(us) = response_us {
            self.times.add_weighted(us, weight);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.times.merge(&other.times);
    }
}

/// Adds a sum to what the table has under the same key.
fn add_sum(transaction: &Transaction<'_>, table: &str, key: &Key, mut sum: Sum) -> Result<(), StoreError> {
    let (at_ms, peer, dest, kind, status, reason) = key;
    let malformed = || StoreError::Row { table: "minute" };
    let select = format!(
        "SELECT count, times FROM {table}
         WHERE at_ms = ?1 AND peer = ?2 AND dest = ?3 AND kind = ?4 AND status = ?5 AND reason = ?6"
    );
    let mut statement = transaction.prepare_cached(&select)?;
    let mut rows = statement.query(params![at_ms, peer, dest, kind, status, reason])?;
    if let Some(row) = rows.next()? {
        let times = Times::from_bytes(&row.get::<_, Vec<u8>>(1)?).map_err(|_| malformed())?;
        let kept = Sum { count: row.get::<_, i64>(0)?.unsigned_abs(), times };
        sum.merge(&kept);
    }
    let insert = format!("INSERT OR REPLACE INTO {table} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    transaction.prepare_cached(&insert)?.execute(params![
        at_ms,
        peer,
        dest,
        kind,
        status,
        reason,
        signed(sum.count),
        sum.times.to_bytes().map_err(|_| malformed())?,
    ])?;
    Ok(())
}

/// The last record that is summed up.
pub(super) const SUMMED_ROW: &str = "summed_row";

/// When names were last looked through.
const SWEPT: &str = "swept_ms";

/// Rows that went before their time.
pub(super) const DISCARDED: &str = "discarded";

/// Under these names it is kept up to which time rows of a table are gone.
pub(super) const RECORDS: &str = "records_gone";
pub(super) const MINUTES: &str = "minutes_gone";
const HOURS: &str = "hours_gone";

/// What earlier versions kept there: some are gone.
pub(super) const GONE_UNKNOWN: i64 = 1;

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;

const EXPIRED_RECORDS: &str =
    "DELETE FROM record WHERE row IN (SELECT row FROM record WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)";
const EXPIRED_MINUTES: &str = "DELETE FROM minute WHERE at_ms < ?1 AND ?2 > 0";
const EXPIRED_HOURS: &str = "DELETE FROM hour WHERE at_ms < ?1 AND ?2 > 0";
const LAST_OF_RECORDS: &str = "SELECT MAX(at_ms) FROM (SELECT at_ms FROM record ORDER BY row LIMIT ?1)";
const LAST_OF_MINUTES: &str = "SELECT MAX(at_ms) FROM (SELECT at_ms FROM minute ORDER BY at_ms LIMIT ?1)";
const LAST_OF_HOURS: &str = "SELECT MAX(at_ms) FROM (SELECT at_ms FROM hour ORDER BY at_ms LIMIT ?1)";
const OLDEST_RECORDS: &str = "DELETE FROM record WHERE row IN (SELECT row FROM record ORDER BY row LIMIT ?1)";
const OLDEST_MINUTES: &str = "DELETE FROM minute WHERE at_ms <=
    (SELECT MAX(at_ms) FROM (SELECT at_ms FROM minute ORDER BY at_ms LIMIT ?1))";
const OLDEST_HOURS: &str = "DELETE FROM hour WHERE at_ms <=
    (SELECT MAX(at_ms) FROM (SELECT at_ms FROM hour ORDER BY at_ms LIMIT ?1))";
