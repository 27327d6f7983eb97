//! What peers used: samples of their counters, added up by hour (paper §1.2, §2.3).
//!
//! In: samples, of each peer in the order of time. Out: sums over a span. A counter that is lower than before started
//! anew, with its peer. What a peer used before the manager first saw it is not its business.

use std::collections::BTreeMap;

use overlay::{GroupId, PeerId};
use rusqlite::{OptionalExtension, Transaction, params};

use super::database::{Store, peer_of};
use super::error::StoreError;
use super::group_usage::{self, GroupSample};
use super::keep::HOUR_MS;
use super::query::Selection;
use crate::limits::USAGE_GAP_MAX;
use crate::sqlite::signed;

/// What a peer used, or what its counters say now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Messages of its user to others.
    pub messages_out: u64,
    /// Messages of others to its user.
    pub messages_in: u64,
    /// Bytes that it received, all groups and relayed ones included.
    pub bytes_in: u64,
    /// Bytes that it sent, likewise.
    pub bytes_out: u64,
    /// Bytes of these that a relay carried to it.
    pub relayed_in: u64,
    /// Bytes of these that a relay carried from it.
    pub relayed_out: u64,
}

/// What a peer used in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// What it counted.
    pub usage: Usage,
    /// How long it was seen online, in milliseconds.
    pub online_ms: u64,
}

/// Counters of a peer at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSample {
    /// When they were read, in ms since 1970.
    pub at_ms: u64,
    /// Since when they count, in ms since 1970 by the peer's clock; 0 when it doesn't say.
    pub since_ms: u64,
    /// What they said.
    pub counters: Usage,
    /// What those of its groups said.
    pub groups: BTreeMap<GroupId, GroupSample>,
}

impl Usage {
    /// The numbers, in the order of the fields.
    #[must_use]
    pub const fn values(&self) -> [u64; 6] {
        [
            self.messages_out,
            self.messages_in,
            self.bytes_in,
            self.bytes_out,
            self.relayed_in,
            self.relayed_out,
        ]
    }

    /// From numbers in that order.
    #[must_use]
    pub const fn of(values: [u64; 6]) -> Self {
        let [messages_out, messages_in, bytes_in, bytes_out, relayed_in, relayed_out] = values;
        Self { messages_out, messages_in, bytes_in, bytes_out, relayed_in, relayed_out }
    }

    fn zip(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        let mut values = self.values();
        values.iter_mut().zip(other.values()).for_each(|(value, other)| *value = both(*value, other));
        Self::of(values)
    }
}

impl Used {
    /// Adds what another used.
    pub fn add(&mut self, other: &Self) {
        self.usage = self.usage.zip(other.usage, u64::saturating_add);
        self.online_ms = self.online_ms.saturating_add(other.online_ms);
    }

    /// What was used from one sample to the next of the same peer.
    fn between(before: &UsageSample, now: &UsageSample) -> Self {
        let mut pairs = now.counters.values().into_iter().zip(before.counters.values());
        let is_said = before.since_ms > 0 && now.since_ms > 0 && before.since_ms != now.since_ms;
        let restarted = is_said || pairs.any(|(now, before)| now < before);
        if restarted {
            return Self { usage: now.counters, online_ms: 0 };
        }
        let passed_ms = now.at_ms.saturating_sub(before.at_ms);
        // After a longer time nobody knows: it may have been away and counted on from a start.
        let known = u128::from(passed_ms) <= USAGE_GAP_MAX.as_millis();
        let usage = now.counters.zip(before.counters, u64::saturating_sub);
        Self { usage, online_ms: if known { passed_ms } else { 0 } }
    }
}

impl Store {
    /// Keeps samples, at most one of a peer: what was used since its last one counts for the hour of this one.
    ///
    /// # Errors
    /// [`StoreError`]; then none is kept.
    pub fn keep_usage(&mut self, samples: &BTreeMap<PeerId, UsageSample>) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for (peer, sample) in samples {
            let peer = peer.to_string();
            let before = last_of(&transaction, &peer)?;
            let used = before.as_ref().map(|before| Used::between(before, sample));
            if let Some(used) = &used {
                add(&transaction, &peer, sample.at_ms, used)?;
            }
            let known = before.is_some_and(|before| before.since_ms > 0);
            let online_ms = used.map_or(0, |used| used.online_ms);
            group_usage::keep(&transaction, (&peer, sample.at_ms), &sample.groups, (known, online_ms))?;
            let [a, b, c, d, e, f] = sample.counters.values().map(signed);
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO usage_last VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![peer, signed(sample.at_ms), a, b, c, d, e, f, signed(sample.since_ms)])?;
        }
        Ok(transaction.commit()?)
    }

    /// What each peer used in a span, which begins with its first hour.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn usage(&self, span: Selection) -> Result<BTreeMap<PeerId, Used>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT peer, online_ms, messages_out, messages_in, bytes_in, bytes_out, relayed_in, relayed_out
             FROM usage WHERE at_ms >= ?1 AND at_ms < ?2",
        )?;
        let first = signed(span.since_ms) / HOUR_MS * HOUR_MS;
        let mut rows = statement.query(params![first, signed(span.until_ms)])?;
        let mut used = BTreeMap::<PeerId, Used>::new();
        while let Some(row) = rows.next()? {
            let peer = peer_of(&row.get::<_, String>(0)?, "usage")?;
            let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            let usage = Usage::of([number(2)?, number(3)?, number(4)?, number(5)?, number(6)?, number(7)?]);
            used.entry(peer).or_default().add(&Used { usage, online_ms: number(1)? });
        }
        Ok(used)
    }

    /// Forgets hours before `before_ms`.
    pub(super) fn expire_usage(&self, before_ms: i64) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM usage WHERE at_ms < ?1", [before_ms])?;
        self.connection.execute("DELETE FROM usage_last WHERE at_ms < ?1", [before_ms])?;
        self.connection.execute("DELETE FROM group_usage WHERE at_ms < ?1", [before_ms])?;
        self.connection.execute("DELETE FROM group_usage_last WHERE at_ms < ?1", [before_ms])?;
        Ok(())
    }
}

fn last_of(transaction: &Transaction<'_>, peer: &str) -> Result<Option<UsageSample>, StoreError> {
    let kept = transaction
        .prepare_cached(
            "SELECT at_ms, messages_out, messages_in, bytes_in, bytes_out, relayed_in, relayed_out, since_ms
             FROM usage_last WHERE peer = ?1",
        )?
        .query_row([peer], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            let counters =
                Usage::of([number(1)?, number(2)?, number(3)?, number(4)?, number(5)?, number(6)?]);
            let groups = BTreeMap::new();
            Ok(UsageSample { at_ms: number(0)?, since_ms: number(7)?, counters, groups })
        })
        .optional()?;
    Ok(kept)
}

fn add(transaction: &Transaction<'_>, peer: &str, at_ms: u64, used: &Used) -> Result<(), StoreError> {
    let hour = signed(at_ms) / HOUR_MS * HOUR_MS;
    let [a, b, c, d, e, f] = used.usage.values().map(signed);
    transaction
        .prepare_cached(&format!(
            "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (at_ms, peer) DO UPDATE SET {}",
            COLUMNS.map(added).join(", ")
        ))?
        .execute(params![hour, peer, signed(used.online_ms), a, b, c, d, e, f])?;
    Ok(())
}

/// What adds what is inserted to what a column has, up to the largest number that it holds: SQLite would go on with a
/// fraction, which the column does not take.
pub(super) fn added(column: &str) -> String {
    format!("{column} = MIN({column}, {} - excluded.{column}) + excluded.{column}", i64::MAX)
}

const COLUMNS: [&str; 7] =
    ["online_ms", "messages_out", "messages_in", "bytes_in", "bytes_out", "relayed_in", "relayed_out"];

/// The tables, as a step of the store's form.
pub(super) const TABLES: &str = "
    -- What peers used, by hour.
    CREATE TABLE usage (
        at_ms INTEGER NOT NULL,
        peer TEXT NOT NULL,
        online_ms INTEGER NOT NULL,
        messages_out INTEGER NOT NULL,
        messages_in INTEGER NOT NULL,
        bytes_in INTEGER NOT NULL,
        bytes_out INTEGER NOT NULL,
        relayed_in INTEGER NOT NULL,
        relayed_out INTEGER NOT NULL,
        PRIMARY KEY (at_ms, peer)
    ) STRICT, WITHOUT ROWID;
    -- What their counters said last.
    CREATE TABLE usage_last (
        peer TEXT PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        messages_out INTEGER NOT NULL,
        messages_in INTEGER NOT NULL,
        bytes_in INTEGER NOT NULL,
        bytes_out INTEGER NOT NULL,
        relayed_in INTEGER NOT NULL,
        relayed_out INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

#[cfg(test)]
mod tests {
    use super::super::group_usage::{COUNTS, GroupUsage};
    use super::*;
    use crate::limits::USAGE_GROUPS_MAX;

    #[test]
    fn what_is_used_adds_up_over_restarts_of_peer_and_manager() {
        let dir = tempfile::tempdir().unwrap();
        let (file, peer) = (dir.path().join("records.db"), PeerId::random());
        let hour = HOUR_MS.unsigned_abs();
        let sample = |at_ms, messages, bytes| {
            let counters = Usage { messages_out: messages, bytes_out: bytes, ..Usage::default() };
            BTreeMap::from([(peer, UsageSample { at_ms, since_ms: 0, counters, groups: BTreeMap::new() })])
        };
        let keep = |samples| Store::open(&file).unwrap().keep_usage(&samples).unwrap();
        keep(sample(hour, 100, 9_000));
        keep(sample(hour + 60_000, 103, 9_500));
        // It has started anew.
        keep(sample(hour + 120_000, 2, 700));
        keep(sample(2 * hour, 5, 800));
        let store = Store::read(&file).unwrap();
        let used = |since_ms| store.usage(Selection { since_ms, until_ms: u64::MAX }).unwrap()[&peer];
        assert_eq!(used(0).usage, Usage { messages_out: 8, bytes_out: 1300, ..Usage::default() });
        assert_eq!(used(0).online_ms, 60_000, "of the time after the long gap nothing is known");
        assert_eq!(used(2 * hour).usage, Usage { messages_out: 3, bytes_out: 100, ..Usage::default() });
    }

    #[test]
    fn groups_add_up_apart_and_neither_a_restart_nor_a_new_group_doubles_or_loses() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("records.db")).unwrap();
        let (peer, hour) = (PeerId::random(), HOUR_MS.unsigned_abs());
        let [red, blue] = [[1; 32], [2; 32]].map(GroupId::from_bytes);
        let group = |since_ms, messages| {
            let mut counters = GroupUsage::default();
            counters.0[0] = messages;
            GroupSample { since_ms, counters }
        };
        let mut keep = |minute: u64, since_ms, bytes_out, groups: &[(GroupId, GroupSample)]| {
            let counters = Usage { bytes_out, ..Usage::default() };
            let groups = groups.iter().copied().collect();
            let sample = UsageSample { at_ms: hour + minute * 60_000, since_ms, counters, groups };
            store.keep_usage(&BTreeMap::from([(peer, sample)])).unwrap();
        };
        // What was before is not accounted for.
        keep(0, 5, 1000, &[(red, group(5, 100))]);
        keep(1, 5, 1010, &[(red, group(5, 103)), (blue, group(70, 7))]);
        // It left blue and came back.
        keep(2, 5, 1020, &[(red, group(5, 103))]);
        // It started anew, and has used more already than before.
        keep(3, 9, 2000, &[(red, group(9, 200)), (blue, group(9, 1))]);
        keep(4, 9, 2001, &[(red, group(9, 201)), (blue, group(9, 1))]);
        let span = Selection { since_ms: 0, until_ms: u64::MAX };
        let used = store.group_usage(span).unwrap();
        let of = |group| (used[group][&peer].usage.0[0], used[group][&peer].online_ms);
        assert_eq!((of(&red), of(&blue)), ((3 + 200 + 1, 180_000), (7 + 1, 60_000)));
        assert_eq!(store.usage(span).unwrap()[&peer].usage.bytes_out, 10 + 10 + 2000 + 1);
    }

    #[test]
    fn a_peer_with_endless_groups_fills_no_store() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("records.db")).unwrap();
        let group = |n: u64| {
            let id = GroupId::from_bytes(*blake3::hash(&n.to_le_bytes()).as_bytes());
            (id, GroupSample { since_ms: 1, counters: GroupUsage([n; COUNTS]) })
        };
        for (at_ms, groups) in [(1, 0..1), (2, 1..USAGE_GROUPS_MAX + 10)] {
            let groups = groups.map(group).collect();
            let sample = UsageSample { at_ms, since_ms: 1, counters: Usage::default(), groups };
            store.keep_usage(&BTreeMap::from([(PeerId::from_bytes(&PEER).unwrap(), sample)])).unwrap();
        }
        let used = store.group_usage(Selection { since_ms: 0, until_ms: u64::MAX }).unwrap();
        assert_eq!((used.len() as u64, store.groups_left_out().unwrap()), (USAGE_GROUPS_MAX - 1, 10));
    }

    /// An identity multihash.
    const PEER: [u8; 3] = [0, 1, 7];
}
