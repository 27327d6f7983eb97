//! The database: changes in batches, each whole or not at all, many to one flush of the disk.
//!
//! In: [`Op`]s. Out: what was kept when it was opened, and after each batch whether its message was new. What
//! [`Database::apply`] answered is on the disk (`synchronous=FULL`).

use std::collections::BTreeMap;
use std::path::Path;

use mgmt_service::sqlite::{self, signed};
use overlay::{Multiaddr, PeerId};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::schema::MIGRATIONS;
use crate::buddy::{Alias, Buddy, Contact};
use crate::error::StoreError;
use crate::limits::EVENTS_KEPT;
use crate::message::{Direction, MessageState, Outgoing};
use crate::wire::{MessageId, TextMessage};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Adds or changes a buddy.
    PutBuddy(Buddy),
    /// Forgets a buddy; its messages stay.
    RemoveBuddy(PeerId),
    /// A message that the user sent.
    Queue(Outgoing),
    /// A message that came. When it is held already, the rest of its batch is skipped.
    Receive {
        /// Its sender.
        peer: PeerId,
        /// The message.
        message: TextMessage,
    },
    /// How far a sent message has come.
    SetState {
        /// Its receiver.
        peer: PeerId,
        /// The message.
        message_id: MessageId,
        /// How far.
        state: MessageState,
        /// Why, when it failed.
        reason: Option<&'static str>,
    },
    /// An event for `replay`.
    LogEvent {
        /// Its cursor.
        cursor: u64,
        /// Its line.
        json: String,
    },
    /// A setting.
    PutSetting {
        /// Which.
        key: &'static str,
        /// Its value.
        value: String,
    },
}

/// What a batch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// False when its message was held already, so that the rest was skipped.
    pub fresh: bool,
}

/// What was kept from earlier starts.
#[derive(Debug, Default)]
pub struct Kept {
    /// The buddy list.
    pub buddies: Vec<Buddy>,
    /// Sent messages without acknowledgement, in the order in which they were sent.
    pub outbox: Vec<Outgoing>,
    /// The highest number of the messages sent to each buddy.
    pub last_seq: BTreeMap<PeerId, u64>,
    /// Settings by key.
    pub settings: BTreeMap<String, String>,
}

/// The open database.
#[derive(Debug)]
pub struct Database {
    pub(super) connection: Connection,
}

impl Database {
    /// Opens the file, makes it (mode 0600) where it is missing, and brings its tables to this version's form.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is ever deleted because of one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: sqlite::open(path, &MIGRATIONS)? })
    }

    /// Does all `batches` in one transaction; one outcome for each. On an error none of them is done.
    ///
    /// # Errors
    /// [`StoreError::Database`], as when the disk is full.
    pub fn apply(&mut self, batches: &[Vec<Op>]) -> Result<Vec<Outcome>, StoreError> {
        let transaction = self.connection.transaction()?;
        let mut outcomes = Vec::with_capacity(batches.len());
        let mut newest_event = None;
        for batch in batches {
            let mut fresh = true;
            for op in batch {
                if !apply_one(&transaction, op)? {
                    fresh = false;
                    break;
                }
                if let Op::LogEvent { cursor, .. } = op {
                    newest_event = Some(*cursor);
                }
            }
            outcomes.push(Outcome { fresh });
        }
        if newest_event.is_some() {
            forget_old_events(&transaction)?;
        }
        transaction.commit()?;
        Ok(outcomes)
    }

    /// What was kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(&self) -> Result<Kept, StoreError> {
        Ok(Kept {
            buddies: self.buddies()?,
            outbox: self.outbox()?,
            last_seq: self.last_seq()?,
            settings: self.settings()?,
        })
    }

    /// What SQLite finds wrong with the file; empty: nothing. Reads all of it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare("PRAGMA integrity_check(10)")?;
        let found = statement.query_map([], |row| row.get::<_, String>(0))?;
        let found: Vec<String> = found.collect::<Result<_, _>>()?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    fn buddies(&self) -> Result<Vec<Buddy>, StoreError> {
        let mut statement = self.connection.prepare("SELECT peer, alias, contact, addresses FROM buddy")?;
        let mut rows = statement.query([])?;
        let mut buddies = Vec::new();
        while let Some(row) = rows.next()? {
            let text = |column| row.get::<_, String>(column);
            let peer = peer_of(&text(0)?, "buddy")?;
            buddies.push(Buddy {
                peer,
                alias: Alias::of_peer(&text(1)?, &peer),
                contact: Contact::from_word(&text(2)?).ok_or(StoreError::Row { table: "buddy" })?,
                addresses: text(3)?
                    .split_whitespace()
                    .filter_map(|address| address.parse::<Multiaddr>().ok())
                    .collect(),
            });
        }
        Ok(buddies)
    }

    fn outbox(&self) -> Result<Vec<Outgoing>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT peer, message_id, seq, sent_at_ms, text FROM message
             WHERE state IN ('queued', 'sent') AND direction = 'out' ORDER BY row",
        )?;
        let mut rows = statement.query([])?;
        let mut outbox = Vec::new();
        while let Some(row) = rows.next()? {
            outbox.push(Outgoing {
                peer: peer_of(&row.get::<_, String>(0)?, "message")?,
                message_id: row.get(1)?,
                seq: row.get::<_, i64>(2)?.unsigned_abs(),
                sent_at_ms: row.get::<_, i64>(3)?.unsigned_abs(),
                text: row.get(4)?,
            });
        }
        Ok(outbox)
    }

    fn last_seq(&self) -> Result<BTreeMap<PeerId, u64>, StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT peer, MAX(seq) FROM message WHERE direction = 'out' GROUP BY peer")?;
        let mut rows = statement.query([])?;
        let mut last = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let peer = peer_of(&row.get::<_, String>(0)?, "message")?;
            last.insert(peer, row.get::<_, i64>(1)?.unsigned_abs());
        }
        Ok(last)
    }

    fn settings(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let mut statement = self.connection.prepare("SELECT key, value FROM setting")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Does one change; false when the rest of its batch is to be skipped.
fn apply_one(transaction: &Transaction<'_>, op: &Op) -> Result<bool, StoreError> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| transaction.prepare_cached(sql)?.execute(values);
    match op {
        Op::PutBuddy(buddy) => {
            let addresses: Vec<String> = buddy.addresses.iter().map(Multiaddr::to_string).collect();
            run(
                "INSERT OR REPLACE INTO buddy (peer, alias, contact, addresses) VALUES (?1, ?2, ?3, ?4)",
                params![
                    buddy.peer.to_string(),
                    buddy.alias.as_str(),
                    buddy.contact.as_str(),
                    addresses.join(" ")
                ],
            )?;
        }
        Op::RemoveBuddy(peer) => {
            run("DELETE FROM buddy WHERE peer = ?1", params![peer.to_string()])?;
        }
        Op::Queue(message) => {
            run(
                "INSERT INTO message (peer, direction, message_id, seq, sent_at_ms, late, state, text)
                 VALUES (?1, 'out', ?2, ?3, ?4, 0, 'queued', ?5)",
                params![
                    message.peer.to_string(),
                    message.message_id,
                    signed(message.seq),
                    signed(message.sent_at_ms),
                    message.text
                ],
            )?;
        }
        Op::Receive { peer, message } => {
            let added = run(
                "INSERT OR IGNORE INTO message (peer, direction, message_id, seq, sent_at_ms, late, state, text)
                 VALUES (?1, 'in', ?2, ?3, ?4, ?5, 'delivered', ?6)",
                params![
                    peer.to_string(),
                    message.message_id,
                    signed(message.seq),
                    signed(message.sent_at_ms),
                    message.late,
                    message.text
                ],
            )?;
            return Ok(added == 1);
        }
        Op::SetState { peer, message_id, state, reason } => {
            run(
                "UPDATE message SET state = ?4, reason = ?5
                 WHERE peer = ?1 AND direction = ?2 AND message_id = ?3",
                params![peer.to_string(), Direction::Out.as_str(), message_id, state.as_str(), reason],
            )?;
        }
        Op::LogEvent { cursor, json } => {
            run("INSERT INTO event (cursor, json) VALUES (?1, ?2)", params![signed(*cursor), json])?;
        }
        Op::PutSetting { key, value } => {
            run("INSERT OR REPLACE INTO setting (key, value) VALUES (?1, ?2)", params![key, value])?;
        }
    }
    Ok(true)
}

/// Keeps the newest `EVENTS_KEPT` events, by looking up one row.
fn forget_old_events(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let last_forgotten: Option<i64> = transaction
        .prepare_cached("SELECT cursor FROM event ORDER BY cursor DESC LIMIT 1 OFFSET ?1")?
        .query_row(params![signed(EVENTS_KEPT)], |row| row.get(0))
        .optional()?;
    if let Some(cursor) = last_forgotten {
        transaction.prepare_cached("DELETE FROM event WHERE cursor <= ?1")?.execute(params![cursor])?;
    }
    Ok(())
}

pub(super) fn peer_of(text: &str, table: &'static str) -> Result<PeerId, StoreError> {
    text.parse().map_err(|_| StoreError::Row { table })
}

#[cfg(test)]
mod tests;
