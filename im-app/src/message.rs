//! Instant messages (RFC 2778) as they are kept: who, what, when, and how far each has come.
//!
//! Values only; what happens to them is decided in `messenger` and kept in `store`.

use overlay::PeerId;

use crate::wire::MessageId;

/// From whom to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Received from the buddy.
    In,
    /// Sent to the buddy.
    Out,
}

impl Direction {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// Kept here, will be sent.
    Queued,
    /// Written to the buddy's pipe.
    Sent,
    /// Committed by the receiver.
    Delivered,
    /// Will not arrive.
    Failed,
}

impl MessageState {
    const ALL: [Self; 4] = [Self::Queued, Self::Sent, Self::Delivered, Self::Failed];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The state of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A message that waits for its acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// To whom.
    pub peer: PeerId,
    /// Unique for this peer as sender.
    pub message_id: MessageId,
    /// Counts the messages to this buddy, from 1.
    pub seq: u64,
    /// When the user sent it, in ms since 1970.
    pub sent_at_ms: u64,
    /// What it says.
    pub text: String,
}

/// A message of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryMessage {
    /// From whom to whom.
    pub direction: Direction,
    /// Unique for its sender.
    pub message_id: MessageId,
    /// Counts its sender's messages to its receiver.
    pub seq: u64,
    /// When its sender sent it, by the sender's clock, in ms since 1970.
    pub sent_at_ms: u64,
    /// It waited at its sender.
    pub late: bool,
    /// How far it has come.
    pub state: MessageState,
    /// Why it failed.
    pub reason: Option<String>,
    /// What it says.
    pub text: String,
}

/// A message id as people and programs see it: the UUID's text.
pub fn id_text(message_id: &MessageId) -> String {
    uuid::Uuid::from_bytes(*message_id).to_string()
}
