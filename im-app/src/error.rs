//! What can go wrong, one type per operation; messages follow "failed to …".

use std::path::PathBuf;

use thiserror::Error;

/// A word that is no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be online, busy, away or offline")]
pub struct StatusError;

/// A note that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the note has {len} bytes, at most {max} allowed")]
pub struct NoteError {
    /// Bytes of the note.
    pub len: usize,
    /// Bytes allowed.
    pub max: usize,
}

/// A text that can't be an alias.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AliasError {
    /// Nothing is left of it.
    #[error("an alias needs a letter or a digit")]
    Empty,
    /// Above `limits::NAME_BYTES_MAX`.
    #[error("the alias has {len} bytes, at most {max} allowed")]
    TooLong {
        /// Bytes of the text.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// White space, a colon, a slash or a control character would make a line ambiguous.
    #[error("an alias has no {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
    /// It would be taken for a peer's id.
    #[error("an alias is no peer id")]
    PeerId,
}

/// A buddy that was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuddyError {
    /// The list is full.
    #[error("{max} buddies are in the list, no more fit")]
    Full {
        /// The bound.
        max: usize,
    },
}

/// A text that is no usable invite (`bad-invite`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InviteError {
    /// It doesn't start as one.
    #[error("an invite starts with juxta:")]
    NoPrefix,
    /// Above `limits::INVITE_BYTES_MAX`.
    #[error("the invite has {len} bytes, at most {max} allowed")]
    TooLong {
        /// Bytes of the text.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A character that no invite has.
    #[error("an invite has no {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
    /// Some of it is missing or was changed.
    #[error("the invite is incomplete or was changed on the way")]
    Damaged,
    /// Its content can't be read.
    #[error("the invite can't be read: {0}")]
    Malformed(#[from] overlay::wire::WireError),
}

/// The database can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite says no.
    #[error("use the database: {0}")]
    Database(#[from] rusqlite::Error),
    /// It can't be opened.
    #[error(transparent)]
    Open(#[from] mgmt_service::sqlite::OpenError),
    /// The system starts no thread for it.
    #[error("use the database {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system answered.
        source: std::io::Error,
    },
    /// What stands in a row is nothing that this program wrote.
    #[error("use the database: a row of table {table} can't be read")]
    Row {
        /// The table.
        table: &'static str,
    },
    /// The store has ended.
    #[error("use the database: it was closed")]
    Closed,
}

/// The code of a command's error, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The buddy can't receive now.
    Offline,
    /// Nobody in the list has the alias or id.
    UnknownBuddy,
    /// The contact isn't accepted by both sides.
    NotAccepted,
    /// The user blocked this peer.
    Blocked,
    /// Above a bound.
    TooLarge,
    /// The text is no usable invite.
    BadInvite,
    /// Too old.
    Expired,
    /// Not done for a reason of policy or room.
    Refused,
    /// Nobody answers there.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The command can't be understood.
    BadCommand,
    /// A fault of this program or its machine.
    Internal,
}

impl ErrorCode {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::UnknownBuddy => "unknown-buddy",
            Self::NotAccepted => "not-accepted",
            Self::Blocked => "blocked",
            Self::TooLarge => "too-large",
            Self::BadInvite => "bad-invite",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::BadCommand => "bad-command",
            Self::Internal => "internal",
        }
    }
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct CommandError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: one sentence.
    pub message: String,
    /// The field of the command that is at fault, if one is.
    pub field: Option<&'static str>,
}

impl CommandError {
    /// An error that no field caused.
    pub fn new(code: ErrorCode, message: impl ToString) -> Self {
        Self { code, message: message.to_string(), field: None }
    }

    /// An error caused by the value of `field`.
    pub fn of_field(code: ErrorCode, field: &'static str, message: impl ToString) -> Self {
        Self { code, message: message.to_string(), field: Some(field) }
    }

    /// A `bad-command` because of `field`.
    pub fn bad(field: &'static str, message: impl ToString) -> Self {
        Self::of_field(ErrorCode::BadCommand, field, message)
    }
}
