//! The tables, step by step: a database of an older version is brought forward, one of a newer version is refused.

use rusqlite_migration::{M, Migrations};

/// All steps so far. Only ever add to the end.
const STEPS: &[M<'static>] = &[M::up(
    "CREATE TABLE buddy (
        peer TEXT PRIMARY KEY,
        alias TEXT NOT NULL,
        contact TEXT NOT NULL,
        addresses TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE message (
        row INTEGER PRIMARY KEY,
        peer TEXT NOT NULL,
        direction TEXT NOT NULL,
        message_id BLOB NOT NULL,
        seq INTEGER NOT NULL,
        sent_at_ms INTEGER NOT NULL,
        late INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        text TEXT NOT NULL,
        UNIQUE (peer, direction, message_id)
    ) STRICT;
    CREATE INDEX message_by_peer ON message (peer, row);
    CREATE INDEX message_by_seq ON message (direction, peer, seq);
    CREATE INDEX outbox ON message (row) WHERE state IN ('queued', 'sent');
    CREATE TABLE event (cursor INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
    CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",
)];

/// The steps as the migration crate takes them.
pub(super) const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_apply() {
        assert_eq!(MIGRATIONS.validate(), Ok(()));
    }
}
