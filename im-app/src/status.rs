//! The states of a presentity (RFC 2778; paper §3.1) and the note beside them.
//!
//! In: what a user or a peer says. Out: one of four states and a short, printable note.

use std::fmt;
use std::str::FromStr;

use crate::error::{NoteError, StatusError};
use crate::limits::NOTE_BYTES_MAX;
use crate::text::{cut, printable};

/// Whether and how soon somebody answers (paper §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Ready to receive and answer.
    Online,
    /// Receives, cannot answer at once.
    Busy,
    /// Receives, answers after a long time.
    Away,
    /// Cannot receive; any attempt to send is refused.
    Offline,
}

impl Status {
    /// All states, in the order in which people read them.
    pub const ALL: [Self; 4] = [Self::Online, Self::Busy, Self::Away, Self::Offline];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Away => "away",
            Self::Offline => "offline",
        }
    }

    /// The number on the wire; 0 is left for "not told".
    pub fn code(self) -> u8 {
        match self {
            Self::Online => 1,
            Self::Busy => 2,
            Self::Away => 3,
            Self::Offline => 4,
        }
    }

    /// The state of a number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// Whether messages can be received (RFC 2778: `OPEN`).
    pub fn is_open(self) -> bool {
        self != Self::Offline
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(StatusError)
    }
}

/// A few words beside a status, at most [`NOTE_BYTES_MAX`] bytes, printable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Note(String);

impl Note {
    /// The note that a user writes.
    ///
    /// # Errors
    /// [`NoteError`] when it is too long.
    pub fn new(text: &str) -> Result<Self, NoteError> {
        if text.len() > NOTE_BYTES_MAX {
            return Err(NoteError { len: text.len(), max: NOTE_BYTES_MAX });
        }
        Ok(Self(printable(text)))
    }

    /// What a peer sent as its note, cut to the bound.
    pub fn of_peer(text: &str) -> Self {
        Self(printable(cut(text, NOTE_BYTES_MAX)))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one peer says about itself (RFC 2778: presence information).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The state.
    pub status: Status,
    /// The words beside it.
    pub note: Note,
}

impl Default for Presence {
    fn default() -> Self {
        Self { status: Status::Online, note: Note::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_found_by_its_word_and_its_number() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(Status::from_code(status.code()), Some(status));
        }
        assert_eq!(Status::from_code(0), None);
        assert_eq!("asleep".parse::<Status>(), Err(StatusError));
    }

    #[test]
    fn only_offline_cannot_receive() {
        let open: Vec<Status> = Status::ALL.into_iter().filter(|status| status.is_open()).collect();
        assert_eq!(open, [Status::Online, Status::Busy, Status::Away]);
    }

    #[test]
    fn a_users_long_note_is_an_error_and_a_peers_is_cut() {
        let long = "ä".repeat(NOTE_BYTES_MAX);
        assert!(Note::new(&long).is_err());
        assert_eq!(Note::of_peer(&long).as_str().len(), NOTE_BYTES_MAX);
        assert_eq!(Note::of_peer("in\u{7} a\nmeeting").as_str(), "in a meeting");
    }
}
