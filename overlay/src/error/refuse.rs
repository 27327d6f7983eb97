//! Why a handler says no.

use thiserror::Error;

/// Why a handler says no; travels as a number, and numbers unknown here read as [`RefuseReason::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum RefuseReason {
    /// What was asked can't be read.
    #[error("malformed")]
    Malformed,
    /// The asker is not allowed to.
    #[error("not allowed")]
    Policy,
    /// The asker is banned.
    #[error("banned")]
    Banned,
    /// A table is full.
    #[error("full")]
    Full,
    /// The asker holds no lease.
    #[error("no lease")]
    NotLeased,
    /// The asker asks too often.
    #[error("too many requests")]
    TooMany,
    /// The asker is not in the group.
    #[error("not a member")]
    NotMember,
    /// A reason that this version doesn't know.
    #[error("reason {0}")]
    Other(u16),
}

impl RefuseReason {
    /// The number on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Malformed => 1,
            Self::Policy => 2,
            Self::Banned => 3,
            Self::Full => 4,
            Self::NotLeased => 5,
            Self::TooMany => 6,
            Self::NotMember => 7,
            Self::Other(code) => code,
        }
    }

    /// The reason of a number.
    pub fn from_code(code: u16) -> Self {
        match code {
            1 => Self::Malformed,
            2 => Self::Policy,
            3 => Self::Banned,
            4 => Self::Full,
            5 => Self::NotLeased,
            6 => Self::TooMany,
            7 => Self::NotMember,
            code => Self::Other(code),
        }
    }
}
