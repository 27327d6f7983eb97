//! The store's response times over time: what the dashboard draws of the last hour, day and week.
//!
//! In: a span, how wide a point is, perhaps a pair. Out: for each point in time how many ended and how long they took, from
//! the minutes and hours that outlive records. Costs a row for each pair and minute (or hour) of the span.

use std::collections::BTreeMap;

use overlay::PeerId;
use rusqlite::{OptionalExtension, params};
use serde_json::{Value, json};

use super::database::Store;
use super::error::StoreError;
use super::keep::{HOUR_MS, MINUTE_MS, SUMMED_ROW};
use super::query::Selection;
use super::times::Times;
use crate::arm::Status;
use crate::sqlite::signed;

/// How finely a series is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fineness {
    /// From the minutes.
    Minutes,
    /// From the hours.
    Hours,
}

/// What ended within one point of a series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Moment {
    /// Exchanges that were answered or should have been.
    pub count: u64,
    /// Those that were not.
    pub failed: u64,
    /// The times of the others.
    pub times: Times,
}

impl Moment {
    /// As one row of a series: `[count, failed, mean_us, p50_us, p95_us, p99_us]`, `null` for times when there is none.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let some = self.count > self.failed;
        let mean_us = some.then(|| self.times.mean_us().round());
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|q| self.times.quantile_us(q));
        json!([self.count, self.failed, mean_us, p50, p95, p99])
    }

    fn add(&mut self, status: &str, count: u64, times: &Times) {
        match Status::from_text(status) {
            Some(Status::Good) => self.times.merge(times),
            Some(Status::Failed) => self.failed += count,
            // What the application itself gave up says nothing about the service.
            _ => return,
        }
        self.count += count;
    }
}

impl Store {
    /// The points of a span, each `width_ms` wide (at least a minute or an hour, as `fineness` says), by their starts in
    /// milliseconds since 1970; empty ones are left out. Of one pair, or of all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn series(
        &self,
        span: Selection,
        fineness: Fineness,
        width_ms: u64,
        pair: Option<(PeerId, PeerId)>,
    ) -> Result<BTreeMap<u64, Moment>, StoreError> {
        let _snapshot = self.connection.unchecked_transaction()?;
        let pair = match pair {
            None => None,
            Some((peer, dest)) => match (self.row_of(&peer)?, self.row_of(&dest)?) {
                (Some(peer), Some(dest)) => Some((peer, dest)),
                _ => return Ok(BTreeMap::new()),
            },
        };
        let (table, unit_ms) = match fineness {
            Fineness::Minutes => ("minute", MINUTE_MS),
            Fineness::Hours => ("hour", HOUR_MS),
        };
        let width_ms = signed(width_ms).max(unit_ms);
        let mut moments = BTreeMap::<u64, Moment>::new();
        let at = |at_ms: i64| (at_ms / width_ms * width_ms).unsigned_abs();
        let (peer, dest) = pair.unzip();
        let first = signed(span.since_ms) / unit_ms * unit_ms;
        let sql = format!(
            "SELECT at_ms, status, count, times FROM {table}
             WHERE at_ms >= ?1 AND at_ms < ?2 AND (?3 IS NULL OR (peer = ?3 AND dest = ?4))"
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query(params![first, signed(span.until_ms), peer, dest])?;
        while let Some(row) = rows.next()? {
            let times = Times::from_bytes(&row.get::<_, Vec<u8>>(3)?);
            let times = times.map_err(|_| StoreError::Row { table: "minute" })?;
            let moment = moments.entry(at(row.get(0)?)).or_default();
            moment.add(&row.get::<_, String>(1)?, row.get::<_, i64>(2)?.unsigned_abs(), &times);
        }
        // What is not summed up yet.
        let summed = signed(self.setting(SUMMED_ROW)?.unwrap_or(0));
        let mut statement = self.connection.prepare(
            "SELECT at_ms, status, response_us, weight FROM record
             WHERE row > ?1 AND at_ms >= ?2 AND at_ms < ?3 AND (?4 IS NULL OR (peer = ?4 AND dest = ?5))",
        )?;
        let mut rows = statement.query(params![summed, first, signed(span.until_ms), peer, dest])?;
        while let Some(row) = rows.next()? {
            let (mut times, weight) = (Times::default(), row.get::<_, i64>(3)?.unsigned_abs());
            if let Some(us) = row.get::<_, Option<i64>>(2)? {
                times.add_weighted(us.unsigned_abs(), weight);
            }
            moments.entry(at(row.get(0)?)).or_default().add(&row.get::<_, String>(1)?, weight, &times);
        }
        moments.retain(|_, moment| moment.count > 0);
        Ok(moments)
    }

    fn row_of(&self, peer: &PeerId) -> Result<Option<i64>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT id FROM peer WHERE peer = ?1")?;
        Ok(statement.query_row([peer.to_string()], |row| row.get(0)).optional()?)
    }

    /// The newest records of a span, at most `records_max`, in the order of their starts; and whether there are more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest(
        &self,
        span: Selection,
        records_max: usize,
    ) -> Result<(Vec<crate::arm::ArmRecord>, bool), StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT at_ms FROM record WHERE at_ms >= ?1 AND at_ms < ?2 ORDER BY at_ms DESC LIMIT 1 OFFSET ?3",
        )?;
        let offset = i64::try_from(records_max).unwrap_or(i64::MAX);
        let cut: Option<i64> = statement
            .query_row(params![signed(span.since_ms), signed(span.until_ms), offset], |row| row.get(0))
            .optional()?;
        // The millisecond in which the cut lies is left out whole.
        let since_ms = cut.map_or(span.since_ms, |at_ms| at_ms.unsigned_abs() + 1);
        let mut records = Vec::new();
        self.for_each_record(Selection { since_ms, ..span }, |record| records.push(record))?;
        Ok((records, cut.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::{ArmRecord, Correlator};
    use crate::protocol::RecordBatch;
    use crate::store::{Delivered, Retention};

    const NOON: u64 = 1_800_000_000_000 / HOUR_MS.unsigned_abs() * HOUR_MS.unsigned_abs();
    const EVER: Selection = Selection { since_ms: 0, until_ms: u64::MAX };

    /// A store with a record each ten seconds of an hour, every tenth unanswered; from `alice` to `bob`.
    fn filled(path: &std::path::Path, alice: PeerId, bob: PeerId) -> Store {
        let mut store = Store::open(path).unwrap();
        let record = |number: u64| ArmRecord {
            at_ms: NOON + number * 10_000,
            dest: bob,
            correlator: Correlator(number),
            status: if number.is_multiple_of(10) { Status::Failed } else { Status::Good },
            response_us: (!number.is_multiple_of(10)).then_some(1000 + number),
            ..ArmRecord::empty(alice)
        };
        let batch = RecordBatch { boot: 1, seq: 1, dropped: 0, records: (0..360).map(record).collect() };
        store.commit(&[Delivered { peer: alice, batch }], NOON).unwrap();
        store
    }

    #[test]
    fn a_series_is_the_same_before_and_after_records_became_minutes_and_hours() {
        let (folder, alice, bob) = (tempfile::tempdir().unwrap(), PeerId::random(), PeerId::random());
        let mut store = filled(&folder.path().join("s"), alice, bob);
        let read = |store: &Store, pair| {
            let minutes = store.series(EVER, Fineness::Minutes, 300_000, pair).unwrap();
            (minutes, store.series(EVER, Fineness::Hours, 0, pair).unwrap())
        };
        let before = read(&store, None);
        assert_eq!((before.0.len(), before.1.len()), (12, 1));
        assert_eq!((before.0[&NOON].count, before.0[&NOON].failed), (30, 3));
        assert_eq!(before.1[&NOON].count, 360);
        let kept = Retention { raw: std::time::Duration::ZERO, ..Retention::default() };
        assert_eq!(store.keep(NOON + 7_200_000, &kept).unwrap().summed, 360);
        assert_eq!(read(&store, None), before);
        assert_eq!(read(&store, Some((alice, bob))), before);
        for nobody in [(bob, alice), (alice, PeerId::random())] {
            assert!(read(&store, Some(nobody)).0.is_empty());
        }
        let row = before.0[&NOON].to_json();
        assert_eq!((&row[0], &row[1]), (&json!(30), &json!(3)));
        assert!(row[5].as_u64().unwrap() >= row[3].as_u64().unwrap());
    }

    #[test]
    fn of_too_many_records_the_newest_are_looked_at_and_it_is_told() {
        let (folder, alice, bob) = (tempfile::tempdir().unwrap(), PeerId::random(), PeerId::random());
        let store = filled(&folder.path().join("s"), alice, bob);
        let (some, cut) = store.newest(EVER, 100).unwrap();
        assert_eq!((some.len(), cut, some[99].at_ms), (100, true, NOON + 3_590_000));
        let (all, cut) = store.newest(EVER, 360).unwrap();
        assert_eq!((all.len(), cut), (360, false));
    }
}
