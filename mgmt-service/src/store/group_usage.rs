//! What peers used in each of their groups: samples of the groups' counters, added up by hour (paper §1.2, §2.3).
//!
//! In: samples of one peer, in the order of time. Out: sums over a span. Counters say since when they count: another time
//! than before means that they began anew. A group that a known peer is newly in counts from its beginning; what was in a
//! group before the manager first saw the peer is not its business.

use std::collections::BTreeMap;

use overlay::{GroupId, PeerId};
use rusqlite::{Row, Transaction, params, params_from_iter};

use super::database::{Store, peer_of};
use super::error::StoreError;
use super::keep::HOUR_MS;
use super::query::Selection;
use super::usage::added;
use crate::limits::USAGE_GROUPS_MAX;
use crate::sqlite::signed;

/// What a peer used in a group, or what its counters say now, in the order of [`GroupUsage::NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupUsage(pub [u64; COUNTS]);

/// What a peer used in a group in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupUsed {
    /// What it counted.
    pub usage: GroupUsage,
    /// How long it was seen online in the group, in milliseconds.
    pub online_ms: u64,
}

/// Counters of a peer in a group at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupSample {
    /// Since when they count, in ms since 1970 by the peer's clock.
    pub since_ms: u64,
    /// What they said.
    pub counters: GroupUsage,
}

/// How many counters a group has.
pub const COUNTS: usize = 12;

impl GroupUsage {
    /// The counters, as the object of a membership and the store name them; the report has names of its own.
    pub const NAMES: [&'static str; COUNTS] = [
        "messages_out",
        "messages_in",
        "bytes_in",
        "bytes_out",
        "queries_out",
        "queries_in",
        "query_bytes_in",
        "query_bytes_out",
        "bytes_relayed_in",
        "bytes_relayed_out",
        "parcels_forwarded",
        "bytes_forwarded",
    ];

    fn zip(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        let mut values = self.0;
        values.iter_mut().zip(other.0).for_each(|(value, other)| *value = both(*value, other));
        Self(values)
    }
}

impl GroupUsed {
    /// Adds what another used.
    pub fn add(&mut self, other: &Self) {
        self.usage = self.usage.zip(other.usage, u64::saturating_add);
        self.online_ms = self.online_ms.saturating_add(other.online_ms);
    }

    /// What was used since `before` by a peer that was online for so long of it.
    fn between(before: &GroupSample, now: &GroupSample, online_ms: u64) -> Self {
        if before.since_ms != now.since_ms {
            return Self { usage: now.counters, online_ms: 0 };
        }
        Self { usage: now.counters.zip(before.counters, u64::saturating_sub), online_ms }
    }
}

/// Keeps the samples of one peer's groups: what was used since its last ones counts for this hour. `known` says whether its
/// groups were looked at before, `online_ms` how long it was online since.
pub(super) fn keep(
    transaction: &Transaction<'_>,
    (peer, at_ms): (&str, u64),
    samples: &BTreeMap<GroupId, GroupSample>,
    (known, online_ms): (bool, u64),
) -> Result<(), StoreError> {
    let (mut count, mut left_out) = (count_of(transaction, peer)?, 0);
    for (group, sample) in samples {
        let group = group.to_string();
        let used = match last_of(transaction, peer, &group)? {
            Some(before) => Some(GroupUsed::between(&before, sample, online_ms)),
            None if count >= USAGE_GROUPS_MAX => {
                left_out += 1;
                continue;
            }
            None => {
                count += 1;
                known.then_some(GroupUsed { usage: sample.counters, online_ms: 0 })
            }
        };
        if let Some(used) = used.filter(|used| *used != GroupUsed::default()) {
            add(transaction, (peer, &group), at_ms, &used)?;
        }
        let numbers = [at_ms, sample.since_ms].into_iter().chain(sample.counters.0).map(signed);
        let places = vec!["?"; COUNTS + 4].join(", ");
        transaction
            .prepare_cached(&format!("INSERT OR REPLACE INTO group_usage_last VALUES ({places})"))?
            .execute(params_from_iter(row(peer, &group, numbers)))?;
    }
    if left_out > 0 { leave_out(transaction, left_out) } else { Ok(()) }
}

/// How many groups of a peer are kept.
fn count_of(transaction: &Transaction<'_>, peer: &str) -> Result<u64, StoreError> {
    let count: i64 = transaction
        .prepare_cached("SELECT count(*) FROM group_usage_last WHERE peer = ?1")?
        .query_row([peer], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Counts samples that are not kept.
fn leave_out(transaction: &Transaction<'_>, count: i64) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO setting VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
        params![LEFT_OUT, count],
    )?;
    Ok(())
}

/// How many samples of groups were not kept.
const LEFT_OUT: &str = "groups_left_out";

fn last_of(
    transaction: &Transaction<'_>,
    peer: &str,
    group: &str,
) -> Result<Option<GroupSample>, StoreError> {
    let columns = GroupUsage::NAMES.join(", ");
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT {columns}, since_ms FROM group_usage_last WHERE peer = ?1 AND \"group\" = ?2"
    ))?;
    let mut rows = statement.query([peer, group])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(GroupSample { counters: counters(row)?, since_ms: number(row, COUNTS)? }))
}

fn add(
    transaction: &Transaction<'_>,
    (peer, group): (&str, &str),
    at_ms: u64,
    used: &GroupUsed,
) -> Result<(), StoreError> {
    let hour = at_ms.saturating_sub(at_ms % HOUR_MS.unsigned_abs());
    let places = vec!["?"; COUNTS + 4].join(", ");
    let numbers = [hour, used.online_ms].into_iter().chain(used.usage.0).map(signed);
    transaction
        .prepare_cached(&format!(
            "INSERT INTO group_usage VALUES ({places}) ON CONFLICT (at_ms, peer, \"group\") DO UPDATE SET {}, {}",
            added("online_ms"),
            GroupUsage::NAMES.map(added).join(", ")
        ))?
        .execute(params_from_iter(row(peer, group, numbers)))?;
    Ok(())
}

/// What is bound to a row of either table.
fn row(
    peer: &str,
    group: &str,
    numbers: impl Iterator<Item = i64>,
) -> impl Iterator<Item = rusqlite::types::Value> {
    [peer.to_owned().into(), group.to_owned().into()].into_iter().chain(numbers.map(Into::into))
}

fn counters(row: &Row<'_>) -> Result<GroupUsage, StoreError> {
    let mut values = [0; COUNTS];
    for (column, value) in values.iter_mut().enumerate() {
        *value = number(row, column)?;
    }
    Ok(GroupUsage(values))
}

fn number(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

impl Store {
    /// What each peer used in each group in a span, which begins with its first hour.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn group_usage(
        &self,
        span: Selection,
    ) -> Result<BTreeMap<GroupId, BTreeMap<PeerId, GroupUsed>>, StoreError> {
        let columns = GroupUsage::NAMES.join(", ");
        let mut statement = self.connection.prepare(&format!(
            "SELECT {columns}, online_ms, peer, \"group\" FROM group_usage WHERE at_ms >= ?1 AND at_ms < ?2"
        ))?;
        let first = signed(span.since_ms) / HOUR_MS * HOUR_MS;
        let mut rows = statement.query([first, signed(span.until_ms)])?;
        let mut used = BTreeMap::<GroupId, BTreeMap<PeerId, GroupUsed>>::new();
        while let Some(row) = rows.next()? {
            let peer = peer_of(&row.get::<_, String>(COUNTS + 1)?, "group_usage")?;
            let group = row.get::<_, String>(COUNTS + 2)?.parse();
            let group: GroupId = group.map_err(|_| StoreError::Row { table: "group_usage" })?;
            let one = GroupUsed { usage: counters(row)?, online_ms: number(row, COUNTS)? };
            used.entry(group).or_default().entry(peer).or_default().add(&one);
        }
        Ok(used)
    }

    /// How often a sample of a group was not kept because its peer had too many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn groups_left_out(&self) -> Result<u64, StoreError> {
        Ok(self.setting(LEFT_OUT)?.unwrap_or(0))
    }
}

/// The tables, as a step of the store's form. A peer's own counters say since then when they began, too.
pub(super) const TABLES: &str = "
    ALTER TABLE usage_last ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;
    -- What peers used in each group, by hour.
    CREATE TABLE group_usage (
        peer TEXT NOT NULL,
        \"group\" TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        online_ms INTEGER NOT NULL,
        messages_out INTEGER NOT NULL,
        messages_in INTEGER NOT NULL,
        bytes_in INTEGER NOT NULL,
        bytes_out INTEGER NOT NULL,
        queries_out INTEGER NOT NULL,
        queries_in INTEGER NOT NULL,
        query_bytes_in INTEGER NOT NULL,
        query_bytes_out INTEGER NOT NULL,
        bytes_relayed_in INTEGER NOT NULL,
        bytes_relayed_out INTEGER NOT NULL,
        parcels_forwarded INTEGER NOT NULL,
        bytes_forwarded INTEGER NOT NULL,
        PRIMARY KEY (at_ms, peer, \"group\")
    ) STRICT, WITHOUT ROWID;
    -- What their counters said last, and since when they count.
    CREATE TABLE group_usage_last (
        peer TEXT NOT NULL,
        \"group\" TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        since_ms INTEGER NOT NULL,
        messages_out INTEGER NOT NULL,
        messages_in INTEGER NOT NULL,
        bytes_in INTEGER NOT NULL,
        bytes_out INTEGER NOT NULL,
        queries_out INTEGER NOT NULL,
        queries_in INTEGER NOT NULL,
        query_bytes_in INTEGER NOT NULL,
        query_bytes_out INTEGER NOT NULL,
        bytes_relayed_in INTEGER NOT NULL,
        bytes_relayed_out INTEGER NOT NULL,
        parcels_forwarded INTEGER NOT NULL,
        bytes_forwarded INTEGER NOT NULL,
        PRIMARY KEY (peer, \"group\")
    ) STRICT, WITHOUT ROWID;";
