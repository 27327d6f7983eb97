//! What happens, as faces are told.

use overlay::{Multiaddr, PeerId};

use crate::buddy::{Alias, Contact};
use crate::message::MessageState;
use crate::presence::Sight;
use crate::wire::{MessageId, TextMessage};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The messenger runs.
    Ready {
        /// Its peer.
        peer: PeerId,
        /// Its user's name.
        name: String,
        /// Its invite.
        invite: String,
        /// Where it listens.
        addresses: Vec<Multiaddr>,
    },
    /// Somebody asks to become a buddy.
    ContactRequest {
        /// Who.
        peer: PeerId,
        /// How they are called here from now.
        alias: Alias,
        /// How they call themselves, printable.
        name: String,
    },
    /// A buddy's status, note or path changed.
    Presence(BuddyPresence),
    /// A message came and is kept.
    Message {
        /// From whom.
        from: Alias,
        /// From whom.
        peer: PeerId,
        /// The message.
        message: TextMessage,
    },
    /// A sent message has come further.
    MessageState {
        /// Which.
        message_id: MessageId,
        /// To whom.
        to: Alias,
        /// How far.
        state: MessageState,
        /// Why, when it failed.
        reason: Option<&'static str>,
    },
    /// Something the user should know.
    Warning {
        /// For programs.
        code: &'static str,
        /// For people: one sentence.
        message: String,
    },
}

/// A buddy and its last known state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuddyPresence {
    /// How it is called here.
    pub buddy: Alias,
    /// Who it is.
    pub peer: PeerId,
    /// How far the contact has come.
    pub contact: Contact,
    /// What is known.
    pub sight: Sight,
}
