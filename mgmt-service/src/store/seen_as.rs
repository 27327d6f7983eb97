//! Under which peer the records of an agent stand: its own row, or that of its pseudonym.
//!
//! In: an agent that delivers, and what its records call it. Out: rows of stores before version 6, which kept a reader's
//! records under the agents' ids, moved. Costs one pass over the store for each such agent, once.

use rusqlite::{OptionalExtension, Transaction, params};

use super::error::StoreError;

/// Null: not told yet, as in all rows of earlier versions.
pub(super) const COLUMN: &str = "ALTER TABLE delivery ADD COLUMN seen_as INTEGER;";

/// Under which peer the records of `agent` stand, when it now delivers some of `told`. Those that stand under its id while
/// it is seen as another go there; what would be there twice stays.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    agent: i64,
    told: Option<i64>,
) -> Result<Option<i64>, StoreError> {
    let known: Option<Option<i64>> = transaction
        .prepare_cached("SELECT seen_as FROM delivery WHERE peer = ?1")?
        .query_row([agent], |row| row.get(0))
        .optional()?;
    let Some(told) = told else { return Ok(known.flatten()) };
    if known == Some(None) && told != agent {
        for table in ["record", "minute", "hour"] {
            let sql = format!("UPDATE OR IGNORE {table} SET peer = ?2 WHERE peer = ?1");
            transaction.execute(&sql, params![agent, told])?;
        }
    }
    Ok(Some(told))
}
