//! Rows of peers and of names of transactions: one for each that the store names, in place of its text in each record.
//!
//! In: peers and names as records say them. Out: their rows, old or new. One agent brings at most `STORE_NAMES_MAX` new
//! ones in `STORE_NAMES_INTERVAL`; what it names beyond has the row of all others, and is counted. At most
//! `STORE_IDS_MAX` of each are kept in memory.

use std::collections::HashMap;
use std::sync::Arc;

use overlay::PeerId;
use rusqlite::{OptionalExtension, Transaction};

use super::error::StoreError;
use crate::limits::{STORE_IDS_MAX, STORE_NAMES_INTERVAL, STORE_NAMES_MAX};

/// Rows that are known to be there.
#[derive(Debug, Default)]
pub(super) struct Ids {
    peers: HashMap<PeerId, i64>,
    kinds: HashMap<Arc<str>, i64>,
    /// How many new rows each agent, by its own, has brought since then.
    brought: HashMap<i64, u64>,
    since_ms: u64,
    /// How often a name was not kept in this commit.
    pub(super) beyond: u64,
}

impl Ids {
    /// Begins a commit: forgets what is too much.
    pub(super) fn begin(&mut self, now_ms: u64) {
        self.beyond = 0;
        if u128::from(now_ms.abs_diff(self.since_ms)) >= STORE_NAMES_INTERVAL.as_millis() {
            self.brought.clear();
            self.since_ms = now_ms;
        }
        if self.peers.len() > STORE_IDS_MAX {
            self.peers.clear();
        }
        if self.kinds.len() > STORE_IDS_MAX {
            self.kinds.clear();
        }
    }

    /// The row of a peer that delivers or measured.
    pub(super) fn peer(&mut self, transaction: &Transaction<'_>, peer: &PeerId) -> Result<i64, StoreError> {
        if let Some(id) = self.peers.get(peer) {
            return Ok(*id);
        }
        let id = id_in(transaction, PEER, NEW_PEER, &peer.to_string())?;
        self.peers.insert(*peer, id);
        Ok(id)
    }

    /// The row of a peer that `agent` names.
    pub(super) fn dest(
        &mut self,
        transaction: &Transaction<'_>,
        agent: i64,
        peer: &PeerId,
    ) -> Result<i64, StoreError> {
        if let Some(id) = self.peers.get(peer) {
            return Ok(*id);
        }
        let text = peer.to_string();
        if known(transaction, PEER, &text)?.is_none() && !self.may_bring(agent) {
            return id_in(transaction, PEER, OTHER_PEERS, OTHERS);
        }
        self.peer(transaction, peer)
    }

    /// The row of a name of transactions that `agent` says.
    pub(super) fn kind(
        &mut self,
        transaction: &Transaction<'_>,
        agent: i64,
        name: &Arc<str>,
    ) -> Result<i64, StoreError> {
        if let Some(id) = self.kinds.get(name) {
            return Ok(*id);
        }
        if known(transaction, KIND, name)?.is_none() && !self.may_bring(agent) {
            return id_in(transaction, KIND, NEW_KIND, OTHER_KINDS);
        }
        let id = id_in(transaction, KIND, NEW_KIND, name)?;
        self.kinds.insert(Arc::clone(name), id);
        Ok(id)
    }

    /// Whether an agent may name one more; it has then.
    fn may_bring(&mut self, agent: i64) -> bool {
        let brought = self.brought.entry(agent).or_default();
        let may = *brought < STORE_NAMES_MAX;
        if may {
            *brought += 1;
        } else {
            self.beyond += 1;
        }
        may
    }
}

fn known(transaction: &Transaction<'_>, select: &str, text: &str) -> Result<Option<i64>, StoreError> {
    Ok(transaction.prepare_cached(select)?.query_row([text], |row| row.get(0)).optional()?)
}

fn id_in(transaction: &Transaction<'_>, select: &str, insert: &str, text: &str) -> Result<i64, StoreError> {
    match known(transaction, select, text)? {
        Some(id) => Ok(id),
        None => Ok(transaction.prepare_cached(insert)?.insert([text])?),
    }
}

const PEER: &str = "SELECT id FROM peer WHERE peer = ?1";
const NEW_PEER: &str = "INSERT INTO peer (peer) VALUES (?1)";
const OTHER_PEERS: &str = "INSERT INTO peer (peer, name) VALUES (?1, 'others')";
const KIND: &str = "SELECT id FROM kind WHERE name = ?1";
const NEW_KIND: &str = "INSERT INTO kind (name) VALUES (?1)";

/// The id of no peer, an empty multihash: all that have no row of their own.
pub(super) const OTHERS: &str = "11";
const OTHER_KINDS: &str = "other";

/// Rows that nothing names any more, those of agents that never delivered included: who is there says its name again.
pub(super) const UNUSED_PEERS: &str = "DELETE FROM peer WHERE id NOT IN (
    SELECT peer FROM record UNION SELECT dest FROM record UNION SELECT peer FROM minute UNION SELECT dest FROM minute
    UNION SELECT peer FROM hour UNION SELECT dest FROM hour UNION SELECT peer FROM delivery
    UNION SELECT seen_as FROM delivery WHERE seen_as IS NOT NULL)
    AND peer NOT IN (SELECT peer FROM usage UNION SELECT peer FROM usage_last
    UNION SELECT peer FROM group_usage UNION SELECT peer FROM group_usage_last)";
pub(super) const UNUSED_KINDS: &str = "DELETE FROM kind WHERE id NOT IN (
    SELECT kind FROM record UNION SELECT kind FROM minute UNION SELECT kind FROM hour)";
