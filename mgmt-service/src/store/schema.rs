//! The tables, step by step: a store of an older version is brought forward, one of a newer version is refused.

use rusqlite_migration::{M, Migrations};

/// All steps so far. Only ever add to the end.
const STEPS: &[M<'static>] = &[
    M::up(
        "CREATE TABLE peer (
        id INTEGER PRIMARY KEY,
        peer TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL DEFAULT '',
        application TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE TABLE kind (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    -- How far each agent's batches are kept.
    CREATE TABLE delivery (
        peer INTEGER PRIMARY KEY,
        boot INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        dropped INTEGER NOT NULL,
        dropped_before INTEGER NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
    -- Rows only grow, also when all before them are gone: how far they are summed up counts on it.
    CREATE TABLE record (
        row INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        peer INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        dest INTEGER NOT NULL,
        dest_status TEXT NOT NULL,
        corr INTEGER NOT NULL,
        status TEXT NOT NULL,
        response_us INTEGER,
        hold_us INTEGER,
        path TEXT NOT NULL,
        reason TEXT NOT NULL,
        queue_us INTEGER,
        lookup_us INTEGER,
        dial_us INTEGER,
        network_us INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX record_once ON record (at_ms, peer, corr);
    CREATE TABLE minute (
        at_ms INTEGER NOT NULL,
        peer INTEGER NOT NULL,
        dest INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        status TEXT NOT NULL,
        reason TEXT NOT NULL,
        count INTEGER NOT NULL,
        times BLOB NOT NULL,
        PRIMARY KEY (at_ms, peer, dest, kind, status, reason)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE hour (
        at_ms INTEGER NOT NULL,
        peer INTEGER NOT NULL,
        dest INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        status TEXT NOT NULL,
        reason TEXT NOT NULL,
        count INTEGER NOT NULL,
        times BLOB NOT NULL,
        PRIMARY KEY (at_ms, peer, dest, kind, status, reason)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE setting (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE VIEW records AS SELECT
        strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at,
        asker.peer AS peer, kind.name AS \"transaction\", asked.peer AS dest, dest_status,
        printf('%016x', corr) AS corr, status, response_us, hold_us, path, reason,
        queue_us, lookup_us, dial_us, network_us
    FROM record
        JOIN peer AS asker ON asker.id = record.peer
        JOIN peer AS asked ON asked.id = record.dest
        JOIN kind ON kind.id = record.kind;",
    ),
    M::up(super::usage::TABLES),
    // For how many transactions a record stands: more than 1 for those of a sample.
    M::up(
        "ALTER TABLE record ADD COLUMN weight INTEGER NOT NULL DEFAULT 1;
    DROP VIEW records;
    CREATE VIEW records AS SELECT
        strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at,
        asker.peer AS peer, kind.name AS \"transaction\", asked.peer AS dest, dest_status,
        printf('%016x', corr) AS corr, status, response_us, hold_us, path, reason,
        queue_us, lookup_us, dial_us, network_us, weight
    FROM record
        JOIN peer AS asker ON asker.id = record.peer
        JOIN peer AS asked ON asked.id = record.dest
        JOIN kind ON kind.id = record.kind;",
    ),
    M::up(super::details::COLUMN),
    M::up(super::group_usage::TABLES),
    M::up(super::seen_as::COLUMN),
];

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
