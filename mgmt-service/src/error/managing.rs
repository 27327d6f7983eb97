//! What can go wrong when managed objects are changed, and with the management group.

use std::path::PathBuf;

use thiserror::Error;

/// A value that its type does not take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{expected} is expected")]
pub struct ValueError {
    /// What is expected.
    pub expected: String,
}

/// An attribute that was not set; then nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SetError {
    /// The object has none of that name.
    #[error("it has no such attribute")]
    NoAttribute,
    /// It can only be read.
    #[error("the attribute can only be read")]
    ReadOnly,
    /// The value is of another type or out of range.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Somebody else has set it since the version that was expected.
    #[error("it has changed meanwhile and is at version {version}")]
    Stale {
        /// The version it has.
        version: u64,
    },
    /// The object itself says no.
    #[error("{0}")]
    Refused(String),
}

/// An operation that was not done, or failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The object has none of that name.
    #[error("it has no such operation")]
    NoOperation,
    /// Too few or too many arguments.
    #[error("the operation takes {expected} arguments")]
    Arguments {
        /// How many it takes.
        expected: usize,
    },
    /// An argument is of another type or out of range.
    #[error("argument {name}: {error}")]
    Argument {
        /// The argument.
        name: String,
        /// What is wrong with it.
        error: ValueError,
    },
    /// The operation itself failed.
    #[error("{0}")]
    Failed(String),
}

/// Why nothing has changed; travels as a number, and one unknown here reads as [`FailureCode::Failed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCode {
    /// There is no object of that name.
    NoObject,
    /// It has no such attribute or operation.
    NoMember,
    /// The attribute can only be read.
    ReadOnly,
    /// A value or an argument is of another type or out of range, or there are too few or too many.
    BadValue,
    /// Somebody else has set it meanwhile.
    Stale,
    /// The object itself says no, or tried and failed.
    Failed,
    /// What would be done can't be written down, so it is not done.
    NotAudited,
}

impl FailureCode {
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::NoObject => 1,
            Self::NoMember => 2,
            Self::ReadOnly => 3,
            Self::BadValue => 4,
            Self::Stale => 5,
            Self::Failed => 6,
            Self::NotAudited => 7,
        }
    }

    pub(crate) fn of_number(number: u16) -> Self {
        match number {
            1 => Self::NoObject,
            2 => Self::NoMember,
            3 => Self::ReadOnly,
            4 => Self::BadValue,
            5 => Self::Stale,
            7 => Self::NotAudited,
            _ => Self::Failed,
        }
    }
}

/// A question to an agent that changed nothing there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManageError {
    /// The peer did not answer, or refused.
    #[error(transparent)]
    Query(#[from] overlay::QueryError),
    /// Question or answer can't be put into bytes or read from them.
    #[error("understand the agent: {0}")]
    Wire(#[from] overlay::wire::WireError),
    /// The agent says why not.
    #[error("manage the object: {reason}")]
    Failed {
        /// Which kind of reason.
        code: FailureCode,
        /// The reason in words.
        reason: String,
    },
}

/// A place in the management group that can't be taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// The overlay says why.
    #[error(transparent)]
    Join(#[from] overlay::JoinError),
    /// The credentials say why.
    #[error("keep the membership: {0}")]
    Credential(#[from] overlay::CredentialError),
    /// The file can't be read or written.
    #[error("use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system answered.
        source: std::io::Error,
    },
    /// The file is not what was written.
    #[error("read {}: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with its bytes.
        source: overlay::wire::WireError,
    },
    /// The data directory has a group already.
    #[error("create a management group: {} holds one already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("make a key: {0}")]
    Random(String),
    /// The peer gives out keys already.
    #[error(transparent)]
    Handler(#[from] overlay::AlreadyRegistered),
}

/// A role that isn't known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be agent, reader, operator, aggregator or issuer")]
pub struct RoleError;

/// An audit log that can't be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// What the operating system answered.
    #[error("write the audit log {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system answered.
        source: std::io::Error,
    },
}

/// An audit log that is not as it was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditVerifyError {
    /// It can't be read.
    #[error("read it: {0}")]
    Io(#[from] std::io::Error),
    /// A line is not what was written there, or one before it is missing.
    #[error("line {line}: {reason}")]
    Broken {
        /// From 1.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// The log ends before the line whose hash is known from elsewhere.
    #[error("no line has the hash that was named: the end is missing")]
    NoHead,
    /// Not even the line that every log begins with.
    #[error("it is empty: not even the line that every log begins with is there")]
    Empty,
    /// It begins in the middle, and the file before is not there.
    #[error("lines {first} to {last} are as they were written; those before must be in {}, which is not there", file.display())]
    NoBeginning {
        /// The number of the first line.
        first: u64,
        /// The number of the last line.
        last: u64,
        /// The file before.
        file: PathBuf,
    },
    /// It does not go on where the file before ends.
    #[error("lines between the end of {} and line {first} are missing", file.display())]
    Gap {
        /// The file before.
        file: PathBuf,
        /// The number of the line that something is missing before.
        first: u64,
    },
    /// An older file, into which the log goes back, is not as it was written.
    #[error("{}: {error}", file.display())]
    Older {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: Box<Self>,
    },
}
