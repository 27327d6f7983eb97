//! What is not in the store, or not as an agent told it.
//!
//! In: what was not kept, or not believed. Out: how often.

use rusqlite::{Transaction, params};

use super::database::{Store, set};
use super::error::StoreError;
use super::keep::DISCARDED;
use crate::sqlite::signed;

/// What a store lacks, since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Records that agents lost before they came here.
    pub by_agents: u64,
    /// Rows that went before their time because the file was full.
    pub discarded: u64,
    /// Records that are kept under the time at which they came, as their own can't be true.
    pub retimed: u64,
    /// How often a receiver or a name of transactions is kept as one of the others, as its agent brought too many.
    pub names_left_out: u64,
    /// Rounds in which names of agents or samples of what they use could not be kept; the next ones make up for them.
    pub rounds_unkept: u64,
}

impl Store {
    /// What is not in the store, or not as it was told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn losses(&self) -> Result<Losses, StoreError> {
        let by_agents = self.lost_by_agents(i64::MAX)?;
        let counted = |key| Ok::<_, StoreError>(self.setting(key)?.unwrap_or(0));
        Ok(Losses {
            by_agents,
            discarded: counted(DISCARDED)?,
            retimed: counted(RETIMED)?,
            names_left_out: counted(LEFT_OUT)?,
            rounds_unkept: counted(UNKEPT)?,
        })
    }

    /// Counts rounds in which what comes beside records could not be kept.
    pub(super) fn count_unkept(&mut self, rounds: u64) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        count(&transaction, UNKEPT, rounds)?;
        Ok(transaction.commit()?)
    }

    /// Forgets how far agents have delivered that delivered last before `before_ms`, but not what they lost. One that
    /// comes back all the same counts anew.
    pub(super) fn expire_deliveries(&mut self, before_ms: i64) -> Result<(), StoreError> {
        let lost = self.lost_by_agents(before_ms)?;
        let transaction = self.connection.transaction()?;
        if transaction.execute("DELETE FROM delivery WHERE at_ms < ?1", [before_ms])? > 0 {
            set(&transaction, FORGOTTEN, lost)?;
        }
        Ok(transaction.commit()?)
    }

    /// What agents lost that are forgotten, and those that delivered last before `before_ms`.
    fn lost_by_agents(&self, before_ms: i64) -> Result<u64, StoreError> {
        let mut lost = self.setting(FORGOTTEN)?.unwrap_or(0);
        let mut statement =
            self.connection.prepare("SELECT dropped, dropped_before FROM delivery WHERE at_ms < ?1")?;
        let mut rows = statement.query([before_ms])?;
        while let Some(row) = rows.next()? {
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            lost = lost.saturating_add(number(0)?).saturating_add(number(1)?);
        }
        Ok(lost)
    }
}

/// Counts more under a key.
pub(super) fn count(transaction: &Transaction<'_>, key: &str, more: u64) -> Result<(), StoreError> {
    if more > 0 {
        transaction
            .prepare_cached(
                "INSERT INTO setting VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
            )?
            .execute(params![key, signed(more)])?;
    }
    Ok(())
}

/// What agents lost of which it is not known any more how far they delivered.
const FORGOTTEN: &str = "lost_by_forgotten";

/// Rounds of names or samples that were not kept.
const UNKEPT: &str = "rounds_unkept";

/// Names that were not kept.
pub(super) const LEFT_OUT: &str = "names_left_out";

/// Records whose time was not believed.
pub(super) const RETIMED: &str = "retimed";
