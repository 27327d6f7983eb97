//! The open store: batches go in, many to one flush of the disk, each with its number or not at all.
//!
//! In: batches. Out: which were new. What [`Store::commit`] answered is on the disk (`synchronous=FULL`).

use std::path::Path;
use std::time::Duration;

use overlay::PeerId;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};
use rusqlite_migration::Error as MigrationError;

use super::details;
use super::error::StoreError;
use super::ids::Ids;
use super::losses::{LEFT_OUT, RETIMED, count};
use super::schema::MIGRATIONS;
use super::seen_as;
use crate::arm::{ArmRecord, time_of};
use crate::limits::{AGENTS_REMEMBERED_MAX, SQLITE_BUSY_TIMEOUT, STORE_CACHE_BYTES, STORE_LOG_BYTES_MAX};
use crate::protocol::RecordBatch;
use crate::sqlite::{self, OpenError, signed};
use crate::subscription::{Inbox, Verdict};

/// A manager's store. One program writes it at a time, others may read it meanwhile.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    /// Rows of peers and of transaction names that are known to be there.
    pub(super) ids: Ids,
}

/// A batch and the agent that it came from.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// Which agent delivers, by its id; its records say as whom it is seen.
    pub peer: PeerId,
    /// What it sent.
    pub batch: RecordBatch,
}

/// What one commit has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Records that are new.
    pub records: u64,
    /// Batches and records that were kept before.
    pub again: u64,
}

impl Store {
    /// Opens the file, makes it (mode 0600) where it is missing, and brings its tables to this version's form.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is ever deleted because of one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = sqlite::open(path, &MIGRATIONS)?;
        connection.pragma_update(None, "journal_size_limit", signed(STORE_LOG_BYTES_MAX))?;
        // In KiB when negative.
        connection.pragma_update(None, "cache_size", -signed(STORE_CACHE_BYTES / 1024))?;
        Ok(Self { connection, ids: Ids::default() })
    }

    /// Opens an existing store for reading, whoever writes it.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none, [`StoreError::Open`] when this user may not see that, or it is of another
    /// version or no store at all.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let here = || path.to_owned();
        if !path.try_exists().map_err(|source| OpenError::Io { path: here(), source })? {
            return Err(StoreError::Missing { path: here() });
        }
        let unreadable = |source| OpenError::Database { path: here(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(unreadable)?;
        connection.busy_timeout(SQLITE_BUSY_TIMEOUT)?;
        let other = |reason: String| OpenError::Migration { path: here(), reason };
        match MIGRATIONS.pending_migrations(&connection) {
            Ok(0) => Ok(Self { connection, ids: Ids::default() }),
            Ok(_) => Err(other("it is of another version; run `mgmt collect` once".to_owned()).into()),
            Err(MigrationError::RusqliteError { err, .. }) => Err(unreadable(err).into()),
            Err(error) => Err(other(error.to_string()).into()),
        }
    }

    /// Keeps all `batches` in one transaction, each once. On an error none of them is kept. A record whose time can't be
    /// true (`STORE_CLOCK_SKEW_MAX`) is kept as of `now_ms`, and counted in [`Losses::retimed`](super::Losses). One with such a time
    /// that comes again under another boot is not known again, and is kept twice.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room.
    pub fn commit(&mut self, batches: &[Delivered], now_ms: u64) -> Result<Committed, StoreError> {
        let transaction = self.connection.transaction()?;
        // After an error the rows of new peers are uncertain: all of them are looked up again.
        let (mut ids, mut done, mut retimed) = (std::mem::take(&mut self.ids), Committed::default(), 0);
        ids.begin(now_ms);
        for Delivered { peer, batch } in batches {
            let id = ids.peer(&transaction, peer)?;
            let mut inbox = inbox_of(&transaction, id)?;
            if inbox.judge(batch.boot, batch.seq) == Verdict::Duplicate {
                done.again += 1;
                continue;
            }
            let told =
                batch.records.first().map(|record| ids.peer(&transaction, &record.peer)).transpose()?;
            let seen_as = seen_as::settle(&transaction, id, told)?;
            for record in &batch.records {
                let at_ms = time_of(record.at_ms, now_ms);
                if insert(&transaction, &mut ids, (id, record), at_ms)? {
                    done.records += 1;
                    retimed += u64::from(at_ms != record.at_ms);
                } else {
                    done.again += 1;
                }
            }
            inbox.committed(batch.boot, batch.seq, batch.dropped);
            keep_inbox(&transaction, (id, seen_as), &inbox, now_ms)?;
        }
        count(&transaction, RETIMED, retimed)?;
        count(&transaction, LEFT_OUT, ids.beyond)?;
        transaction.commit()?;
        self.ids = ids;
        Ok(done)
    }

    /// How far each agent's batches are kept, and how long ago the last one came: of the `AGENTS_REMEMBERED_MAX` that
    /// delivered last, these first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn inboxes(&self, now_ms: u64) -> Result<Vec<(PeerId, Inbox, Duration)>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT peer.peer, boot, seq, dropped, dropped_before, at_ms
             FROM delivery JOIN peer ON peer.id = delivery.peer ORDER BY at_ms DESC LIMIT ?1",
        )?;
        let mut rows = statement.query([signed(AGENTS_REMEMBERED_MAX as u64)])?;
        let mut inboxes = Vec::new();
        while let Some(row) = rows.next()? {
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            let inbox = Inbox::kept(number(1)?, number(2)?, number(3)?, number(4)?);
            let away = Duration::from_millis(now_ms.saturating_sub(number(5)?));
            inboxes.push((peer_of(&row.get::<_, String>(0)?, "peer")?, inbox, away));
        }
        Ok(inboxes)
    }

    /// Shows peers by these names and applications from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn name_peers<'a>(
        &mut self,
        peers: impl IntoIterator<Item = (&'a PeerId, &'a str, &'a str)>,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for (peer, name, application) in peers {
            transaction
                .prepare_cached(
                    "INSERT INTO peer (peer, name, application) VALUES (?1, ?2, ?3)
                     ON CONFLICT (peer) DO UPDATE SET name = ?2, application = ?3
                     WHERE name <> ?2 OR application <> ?3",
                )?
                .execute(params![peer.to_string(), name, application])?;
        }
        Ok(transaction.commit()?)
    }

    /// A number that is kept under `key`; none when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn setting(&self, key: &str) -> Result<Option<u64>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM setting WHERE key = ?1")?;
        let value: Option<i64> = statement.query_row([key], |row| row.get(0)).optional()?;
        Ok(value.map(i64::cast_unsigned))
    }

    /// Keeps a number under `key`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set(&self, key: &str, value: u64) -> Result<(), StoreError> {
        set(&self.connection, key, value)
    }
}

/// Keeps one record that an agent brings, as of `at_ms`; false when it was kept before.
fn insert(
    transaction: &Transaction<'_>,
    ids: &mut Ids,
    (agent, record): (i64, &ArmRecord),
    at_ms: u64,
) -> Result<bool, StoreError> {
    let peer = ids.peer(transaction, &record.peer)?;
    let dest = ids.dest(transaction, agent, &record.dest)?;
    let kind = ids.kind(transaction, agent, &record.transaction)?;
    let [queue, lookup, dial, network] = record.split.values().map(|part| part.map(signed));
    let added = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO record (at_ms, peer, kind, dest, dest_status, corr, status, response_us, hold_us,
                path, reason, queue_us, lookup_us, dial_us, network_us, weight, details)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            signed(at_ms),
            peer,
            kind,
            dest,
            record.dest_status.as_str(),
            record.correlator.0.cast_signed(),
            record.status.as_str(),
            record.response_us.map(signed),
            record.hold_us.map(signed),
            record.path.as_str(),
            record.reason.as_str(),
            queue,
            lookup,
            dial,
            network,
            signed(record.weight()),
            details::to_text(&record.details),
        ])?;
    Ok(added == 1)
}

fn inbox_of(transaction: &Transaction<'_>, peer: i64) -> Result<Inbox, StoreError> {
    let kept = transaction
        .prepare_cached("SELECT boot, seq, dropped, dropped_before FROM delivery WHERE peer = ?1")?
        .query_row([peer], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            Ok(Inbox::kept(number(0)?, number(1)?, number(2)?, number(3)?))
        })
        .optional()?;
    Ok(kept.unwrap_or_default())
}

fn keep_inbox(
    transaction: &Transaction<'_>,
    (peer, seen_as): (i64, Option<i64>),
    inbox: &Inbox,
    now_ms: u64,
) -> Result<(), StoreError> {
    let ((boot, seq), (dropped, before)) = (inbox.resume_from(), inbox.losses());
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO delivery (peer, boot, seq, dropped, dropped_before, at_ms, seen_as)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            peer,
            boot.cast_signed(),
            seq.cast_signed(),
            dropped.cast_signed(),
            before.cast_signed(),
            signed(now_ms),
            seen_as
        ])?;
    Ok(())
}

pub(super) fn set(connection: &Connection, key: &str, value: u64) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO setting (key, value) VALUES (?1, ?2)")?
        .execute(params![key, value.cast_signed()])?;
    Ok(())
}

pub(super) fn peer_of(text: &str, table: &'static str) -> Result<PeerId, StoreError> {
    text.parse().map_err(|_| StoreError::Row { table })
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
