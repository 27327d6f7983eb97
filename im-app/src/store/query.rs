//! Questions to the database: the history with one buddy, and the log of events.

use mgmt_service::sqlite::signed;
use overlay::PeerId;
use rusqlite::{OptionalExtension, Row, ToSql, params};

use super::database::Database;
use crate::error::StoreError;
use crate::limits::HISTORY_BYTES_MAX;
use crate::message::{Direction, HistoryMessage, MessageState};
use crate::wire::MessageId;

/// Which messages are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// With whom.
    pub peer: PeerId,
    /// How many at most; the newest of those that match.
    pub limit: u64,
    /// Only older ones.
    pub before: Option<Before>,
    /// Only those with all these words, in any case (of ASCII letters).
    pub words: Vec<String>,
}

/// Older than what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// A message of the same history.
    Message(MessageId),
    /// A time, in ms since 1970.
    At(u64),
}

/// Messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The messages.
    pub messages: Vec<HistoryMessage>,
    /// Older ones would match too, but are more than `HISTORY_BYTES_MAX` of text.
    pub truncated: bool,
}

impl Database {
    /// The messages that `query` asks for; `None` when its `before` names an unknown message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn history(&self, query: &HistoryQuery) -> Result<Option<History>, StoreError> {
        let peer = query.peer.to_string();
        let mut sql = String::from(
            "SELECT direction, message_id, seq, sent_at_ms, late, state, reason, text FROM message WHERE peer = ?",
        );
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(peer.clone())];
        match query.before {
            None => {}
            Some(Before::At(at_ms)) => {
                sql.push_str(" AND sent_at_ms < ?");
                values.push(Box::new(signed(at_ms)));
            }
            Some(Before::Message(message_id)) => {
                let row: Option<i64> = self
                    .connection
                    .query_row(
                        "SELECT row FROM message WHERE peer = ?1 AND message_id = ?2",
                        params![peer, message_id],
                        |row| row.get(0),
                    )
                    .optional()?;
                let Some(row) = row else { return Ok(None) };
                sql.push_str(" AND row < ?");
                values.push(Box::new(row));
            }
        }
        for word in &query.words {
            sql.push_str(" AND text LIKE ? ESCAPE '\\'");
            values.push(Box::new(pattern(word)));
        }
        sql.push_str(" ORDER BY row DESC LIMIT ?");
        values.push(Box::new(signed(query.limit)));
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let (mut messages, mut bytes, mut truncated) = (Vec::new(), 0, false);
        while let Some(row) = rows.next()? {
            let message = message_of(row)?;
            bytes += message.text.len();
            if bytes > HISTORY_BYTES_MAX {
                truncated = true;
                break;
            }
            messages.push(message);
        }
        messages.reverse();
        Ok(Some(History { messages, truncated }))
    }

    /// Lines of at most `limit` logged events with `since < cursor <= until`, and the cursor of each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn events(&self, since: u64, until: u64, limit: u64) -> Result<Vec<(u64, String)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT cursor, json FROM event WHERE cursor > ?1 AND cursor <= ?2 ORDER BY cursor LIMIT ?3",
        )?;
        let rows = statement.query_map(params![signed(since), signed(until), signed(limit)], |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn message_of(row: &Row<'_>) -> Result<HistoryMessage, StoreError> {
    let broken = StoreError::Row { table: "message" };
    Ok(HistoryMessage {
        direction: match row.get::<_, String>(0)?.as_str() {
            "in" => Direction::In,
            "out" => Direction::Out,
            _ => return Err(broken),
        },
        message_id: row.get(1)?,
        seq: row.get::<_, i64>(2)?.unsigned_abs(),
        sent_at_ms: row.get::<_, i64>(3)?.unsigned_abs(),
        late: row.get(4)?,
        state: MessageState::from_word(&row.get::<_, String>(5)?).ok_or(broken)?,
        reason: row.get(6)?,
        text: row.get(7)?,
    })
}

/// A pattern of SQL's `LIKE` that finds `word` anywhere and takes it literally.
fn pattern(word: &str) -> String {
    let mut pattern = String::from("%");
    for character in word.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
