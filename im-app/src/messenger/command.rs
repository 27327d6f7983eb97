//! What a face may ask for, and what it is answered.

use overlay::PeerId;

use crate::buddy::Alias;
use crate::invite::Invite;
use crate::message::MessageState;
use crate::messenger::BuddyPresence;
use crate::status::Presence;
use crate::store::{Before, History};
use crate::wire::MessageId;

/// A command of a face. `buddy` and `to` are an alias or a PeerId.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Ask somebody to become a buddy.
    Add {
        /// Their invite.
        invite: Box<Invite>,
        /// How to call them; the invite's name when absent.
        alias: Option<Alias>,
    },
    /// Say yes to a contact request.
    Accept {
        /// Whose.
        buddy: String,
    },
    /// Say no to a contact request.
    Reject {
        /// Whose.
        buddy: String,
    },
    /// Want nothing from somebody any more.
    Block {
        /// From whom.
        buddy: String,
    },
    /// Take somebody out of the list.
    Remove {
        /// Whom.
        buddy: String,
    },
    /// Send a message; refused when the buddy is offline (paper §3.1).
    Send {
        /// To whom.
        to: String,
        /// What, at most `TEXT_BYTES_MAX`.
        text: String,
    },
    /// Change the own status (RFC 2778 `PRESENTITY`).
    SetStatus(Presence),
    /// Ask a buddy now (RFC 2778 `FETCHER`).
    Fetch {
        /// Whom.
        buddy: String,
    },
    /// The last known states.
    Roster,
    /// Messages with one buddy.
    History {
        /// With whom.
        buddy: String,
        /// How many at most.
        limit: u64,
        /// Older than what.
        before: Option<Before>,
        /// With which words.
        words: Vec<String>,
    },
    /// All later events again.
    Replay {
        /// After this cursor.
        since: u64,
    },
    /// End politely.
    Quit,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// A contact was added.
    Added {
        /// Who.
        peer: PeerId,
        /// The alias in the list.
        alias: Alias,
    },
    /// A message is on its way.
    Queued {
        /// Which.
        message_id: MessageId,
        /// How far it has come.
        state: MessageState,
    },
    /// One state.
    Presence(BuddyPresence),
    /// All states.
    Roster(Vec<BuddyPresence>),
    /// Messages with a buddy.
    History {
        /// With whom.
        buddy: Alias,
        /// With whom.
        peer: PeerId,
        /// Oldest first.
        history: History,
    },
}
