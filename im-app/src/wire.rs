//! What travels on the pipe between two buddies: presence (paper §3.2), contact requests, messages and their ends.
//!
//! In: [`Frame`]s, or bytes of a peer. Out: bytes `version, kind: u16, body` with an `ext` at the body's end, or frames.
//! A body of a kind that this version doesn't know is [`Frame::Unknown`] and is left alone. Bounded by
//! `WIRE_BYTES_MAX`; a PING by `PING_BYTES_MAX`, of which the correlator takes at most nine.

use overlay::wire::{self, Ext, WireError};
use serde::{Deserialize, Serialize};

use crate::limits::{
    ADDRESSES_MAX, NAME_BYTES_MAX, NOTE_BYTES_MAX, PING_BYTES_MAX, TEXT_BYTES_MAX, WIRE_BYTES_MAX,
};
use crate::status::{Note, Presence, Status};
use crate::text::cut;

/// A message's id, chosen by its sender: a UUIDv7 (RFC 9562), unique within (sender, id).
pub type MessageId = [u8; 16];

/// One message on a buddy's pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first from each side.
    Hello(Hello),
    /// "May we be buddies?"
    ContactRequest {
        /// How the asker calls itself.
        name: String,
    },
    /// The answer, also when a contact ends later.
    ContactAnswer {
        /// Whether they are buddies.
        accepted: bool,
        /// How the answerer calls itself.
        name: String,
    },
    /// "How are you?" (paper §3.2)
    Ping {
        /// Which PING this is (paper §4.4).
        correlator: u64,
    },
    /// The answer to a PING.
    Pong(Pong),
    /// A change of status, unasked.
    Status(Presence),
    /// A message.
    Message(TextMessage),
    /// The message was committed by its receiver.
    Delivered {
        /// Which message.
        message_id: MessageId,
    },
    /// The message was not taken.
    Refused {
        /// Which message.
        message_id: MessageId,
        /// Why.
        reason: RefuseReason,
    },
    /// The sender ends: it is offline from now.
    Bye,
    /// A kind of a later version.
    Unknown {
        /// The kind.
        kind: u16,
    },
}

/// Who speaks, as far as the other may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// How the speaker calls itself.
    pub name: String,
    /// How it is; `None` for who may not know.
    pub presence: Option<Presence>,
    /// Where it may be dialed, as multiaddr bytes; at most `ADDRESSES_MAX`.
    pub addresses: Vec<Vec<u8>>,
}

/// The answer to a PING.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pong {
    /// The PING's correlator.
    pub correlator: u64,
    /// How the answerer is (paper §4.2, receiver status).
    pub presence: Presence,
    /// How long the answerer held the PING, in µs.
    pub hold_us: u32,
}

/// A message as its sender sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMessage {
    /// Unique for this sender.
    pub message_id: MessageId,
    /// Counts the sender's messages to this receiver, from 1.
    pub seq: u64,
    /// When the user sent it, by the sender's clock, in ms since 1970.
    pub sent_at_ms: u64,
    /// It waited at the sender for the receiver.
    pub late: bool,
    /// What it says.
    pub text: String,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefuseReason {
    /// The receiver set itself offline.
    Offline,
    /// The receiver doesn't count the sender among its buddies.
    NotAccepted,
    /// The message breaks a bound.
    TooLarge,
    /// A reason of a later version.
    Other(u16),
}

impl RefuseReason {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::NotAccepted => "not-accepted",
            Self::TooLarge => "too-large",
            Self::Other(_) => "refused",
        }
    }

    fn code(self) -> u16 {
        match self {
            Self::Offline => 1,
            Self::NotAccepted => 2,
            Self::TooLarge => 3,
            Self::Other(code) => code,
        }
    }

    fn from_code(code: u16) -> Self {
        match code {
            1 => Self::Offline,
            2 => Self::NotAccepted,
            3 => Self::TooLarge,
            code => Self::Other(code),
        }
    }
}

impl Frame {
    /// The bytes on the pipe.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] for a text above its bound; [`WireError::UnknownKind`] for [`Frame::Unknown`].
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let put = |kind, bytes: Result<Vec<u8>, WireError>| -> Result<Vec<u8>, WireError> {
            let mut frame = vec![VERSION];
            frame.extend_from_slice(&u16::to_le_bytes(kind));
            frame.extend_from_slice(&bytes?);
            Ok(frame)
        };
        match self {
            Self::Hello(hello) => put(HELLO, body(&HelloBody::from(hello))),
            Self::ContactRequest { name } => {
                put(CONTACT_REQUEST, body(&(cut(name, NAME_BYTES_MAX), Ext::new())))
            }
            Self::ContactAnswer { accepted, name } => {
                put(CONTACT_ANSWER, body(&(accepted, cut(name, NAME_BYTES_MAX), Ext::new())))
            }
            Self::Ping { correlator } => {
                wire::encode_kind(VERSION, PING, &(correlator, Ext::new()), PING_BYTES_MAX)
            }
            Self::Pong(pong) => put(PONG, body(&PongBody::from(pong))),
            Self::Status(presence) => {
                put(STATUS, body(&(presence.status.code(), presence.note.as_str(), Ext::new())))
            }
            Self::Message(message) => {
                within(message.text.len(), TEXT_BYTES_MAX)?;
                put(MESSAGE, body(&MessageBody::from(message)))
            }
            Self::Delivered { message_id } => put(DELIVERED, body(&(message_id, Ext::new()))),
            Self::Refused { message_id, reason } => {
                put(REFUSED, body(&(message_id, reason.code(), Ext::new())))
            }
            Self::Bye => put(BYE, body(&Ext::new())),
            Self::Unknown { kind } => Err(WireError::UnknownKind { got: *kind }),
        }
    }

    /// The frame in `bytes`, all of them.
    ///
    /// # Errors
    /// As [`WireError`] says, before anything larger than the bound is allocated.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        within(bytes.len(), WIRE_BYTES_MAX)?;
        let (kind, body) = wire::split_kind(VERSION, bytes)?;
        Ok(match kind {
            HELLO => Self::Hello(read::<HelloBody>(body)?.into_hello()?),
            CONTACT_REQUEST => {
                let (name, _): (String, Ext) = read(body)?;
                Self::ContactRequest { name: short(name)? }
            }
            CONTACT_ANSWER => {
                let (accepted, name, _): (bool, String, Ext) = read(body)?;
                Self::ContactAnswer { accepted, name: short(name)? }
            }
            PING => {
                within(bytes.len(), PING_BYTES_MAX)?;
                let (correlator, _): (u64, Ext) = read(body)?;
                Self::Ping { correlator }
            }
            PONG => Self::Pong(read::<PongBody>(body)?.into_pong()?),
            STATUS => {
                let (status, note, _): (u8, String, Ext) = read(body)?;
                Self::Status(presence(status, &note)?)
            }
            MESSAGE => Self::Message(read::<MessageBody>(body)?.into_message()?),
            DELIVERED => {
                let (message_id, _): (MessageId, Ext) = read(body)?;
                Self::Delivered { message_id }
            }
            REFUSED => {
                let (message_id, code, _): (MessageId, u16, Ext) = read(body)?;
                Self::Refused { message_id, reason: RefuseReason::from_code(code) }
            }
            BYE => {
                let _: Ext = read(body)?;
                Self::Bye
            }
            kind => Self::Unknown { kind },
        })
    }
}

#[derive(Serialize, Deserialize)]
struct HelloBody {
    name: String,
    /// 0: not told.
    status: u8,
    note: String,
    addresses: Vec<Vec<u8>>,
    ext: Ext,
}

impl From<&Hello> for HelloBody {
    fn from(hello: &Hello) -> Self {
        let presence = hello.presence.as_ref();
        Self {
            name: cut(&hello.name, NAME_BYTES_MAX).to_owned(),
            status: presence.map_or(0, |presence| presence.status.code()),
            note: presence.map_or(String::new(), |presence| presence.note.to_string()),
            addresses: hello.addresses.iter().take(ADDRESSES_MAX).cloned().collect(),
            ext: Ext::new(),
        }
    }
}

impl HelloBody {
    fn into_hello(self) -> Result<Hello, WireError> {
        within(self.addresses.len(), ADDRESSES_MAX)?;
        Ok(Hello {
            presence: match self.status {
                0 => None,
                status => Some(presence(status, &self.note)?),
            },
            name: short(self.name)?,
            addresses: self.addresses,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct PongBody {
    correlator: u64,
    status: u8,
    note: String,
    hold_us: u32,
    ext: Ext,
}

impl From<&Pong> for PongBody {
    fn from(pong: &Pong) -> Self {
        Self {
            correlator: pong.correlator,
            status: pong.presence.status.code(),
            note: pong.presence.note.to_string(),
            hold_us: pong.hold_us,
            ext: Ext::new(),
        }
    }
}

impl PongBody {
    fn into_pong(self) -> Result<Pong, WireError> {
        Ok(Pong {
            correlator: self.correlator,
            presence: presence(self.status, &self.note)?,
            hold_us: self.hold_us,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct MessageBody {
    message_id: MessageId,
    seq: u64,
    sent_at_ms: u64,
    late: bool,
    text: String,
    ext: Ext,
}

impl From<&TextMessage> for MessageBody {
    fn from(message: &TextMessage) -> Self {
        Self {
            message_id: message.message_id,
            seq: message.seq,
            sent_at_ms: message.sent_at_ms,
            late: message.late,
            text: message.text.clone(),
            ext: Ext::new(),
        }
    }
}

impl MessageBody {
    fn into_message(self) -> Result<TextMessage, WireError> {
        within(self.text.len(), TEXT_BYTES_MAX)?;
        Ok(TextMessage {
            message_id: self.message_id,
            seq: self.seq,
            sent_at_ms: self.sent_at_ms,
            late: self.late,
            text: self.text,
        })
    }
}

fn body<T: Serialize>(value: &T) -> Result<Vec<u8>, WireError> {
    wire::encode(value, WIRE_BYTES_MAX - HEADER)
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    wire::decode(body, WIRE_BYTES_MAX)
}

fn presence(status: u8, note: &str) -> Result<Presence, WireError> {
    within(note.len(), NOTE_BYTES_MAX)?;
    Ok(Presence { status: Status::from_code(status).ok_or(WireError::Malformed)?, note: Note::of_peer(note) })
}

fn short(name: String) -> Result<String, WireError> {
    within(name.len(), NAME_BYTES_MAX).map(|()| name)
}

fn within(len: usize, max: usize) -> Result<(), WireError> {
    if len > max {
        return Err(WireError::TooLarge { len, max });
    }
    Ok(())
}

const VERSION: u8 = 1;
/// Version and kind.
const HEADER: usize = 3;
const HELLO: u16 = 1;
const CONTACT_REQUEST: u16 = 2;
const CONTACT_ANSWER: u16 = 3;
const PING: u16 = 4;
const PONG: u16 = 5;
const STATUS: u16 = 6;
const MESSAGE: u16 = 7;
const DELIVERED: u16 = 8;
const REFUSED: u16 = 9;
const BYE: u16 = 10;

#[cfg(test)]
mod tests;
