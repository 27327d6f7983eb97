//! What goes into the core and what comes out of it.

use std::time::{Duration, Instant};

use overlay::{Multiaddr, PeerId, Reached};

use crate::error::CommandError;
use crate::messenger::{Answer, Command, Event};
use crate::presence::Path;
use crate::status::Presence;
use crate::store::{HistoryQuery, Op};
use crate::wire::{Frame, MessageId};

/// When something comes: by the monotonic clock, and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// For deadlines.
    pub now: Instant,
    /// ms since 1970, for messages.
    pub wall_ms: u64,
}

/// One pipe to a peer; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A command that waits for its reply; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What goes in.
#[derive(Debug)]
pub enum Input {
    /// A face wants something, or said something that can't be understood.
    Command {
        /// For the reply.
        ticket: Ticket,
        /// What it wants.
        command: Result<Command, CommandError>,
        /// A fresh id, used if the command sends a message.
        message_id: MessageId,
    },
    /// A question to the store that [`Effect::Ask`] posed is answered.
    Answered {
        /// For the reply.
        ticket: Ticket,
        /// The result.
        answer: Result<Answer, CommandError>,
    },
    /// A pipe to a peer is there.
    LinkUp {
        /// Which.
        link: LinkId,
        /// To whom (proved by the overlay).
        peer: PeerId,
        /// Whether this side opened it.
        opened_here: bool,
        /// How it goes.
        path: Path,
    },
    /// A pipe is no more.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A frame came on a pipe; PINGs and PONGs don't come here.
    Frame {
        /// Which pipe.
        link: LinkId,
        /// The frame.
        frame: Frame,
    },
    /// A pipe brought something forbidden or malformed.
    Fault {
        /// Which pipe.
        link: LinkId,
    },
    /// A PONG came.
    Pong {
        /// On which pipe.
        link: LinkId,
        /// How the buddy is.
        presence: Presence,
        /// The round trip, when an outstanding PING asked for it.
        rtt: Option<Duration>,
    },
    /// A message was written to a pipe.
    Written {
        /// Which pipe.
        link: LinkId,
        /// Which message.
        message_id: MessageId,
    },
    /// A dial ended; on success [`Input::LinkUp`] came before.
    DialEnded {
        /// Of whom.
        peer: PeerId,
        /// Whether there is a pipe.
        reached: bool,
        /// How long it took.
        took: Reached,
    },
    /// Where this peer may be dialed has changed.
    Addresses(Vec<Multiaddr>),
    /// Something the user should know.
    Warn {
        /// For programs.
        code: &'static str,
        /// For people.
        message: String,
    },
    /// Time between two PINGs to a buddy from now on.
    PingPeriod(Duration),
    /// Every buddy is to be PINGed now.
    PingNow,
    /// Time has passed.
    Timeout,
}

/// What comes out. The effects of one input belong together: first its [`Effect::Store`]s are committed, then the
/// others are done in order; only [`Effect::is_immediate`] ones don't wait for the disk. When the store knew a
/// received message already, the [`Effect::Event`]s are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Commit this.
    Store(Op),
    /// Answer a command.
    Reply {
        /// Which.
        ticket: Ticket,
        /// With what.
        answer: Result<Answer, CommandError>,
    },
    /// Log this and tell all faces.
    Event(Event),
    /// Ask the store; the answer comes back as [`Input::Answered`].
    Ask {
        /// For the reply.
        ticket: Ticket,
        /// What.
        question: Question,
    },
    /// Tell a pipe's task.
    Order {
        /// Which.
        link: LinkId,
        /// What.
        order: Order,
    },
    /// Open a pipe to a peer; ends in [`Input::DialEnded`].
    Dial {
        /// To whom.
        peer: PeerId,
        /// Where it may be, beside what the overlay knows.
        addresses: Vec<Multiaddr>,
        /// How long it may take.
        deadline: Duration,
    },
    /// Record a PING that can't be sent.
    Unreachable {
        /// To whom.
        peer: PeerId,
        /// When it was to be sent.
        due: Instant,
        /// How long the dial took that it waited for, if it did.
        took: Option<Reached>,
    },
    /// What PONGs and buddies are told from now.
    OwnPresence(Presence),
    /// End politely.
    Quit,
}

impl Effect {
    /// Whether this is done at once: it promises nothing to anybody.
    pub fn is_immediate(&self) -> bool {
        match self {
            Self::Dial { .. } | Self::Unreachable { .. } => true,
            Self::Order { order, .. } => matches!(order, Order::Ping { .. }),
            _ => false,
        }
    }
}

/// A question to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Messages with a buddy.
    History(HistoryQuery),
    /// Events after a cursor, for the face that asks.
    Replay {
        /// After this.
        since: u64,
    },
}

/// What a pipe's task is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Write a frame.
    Send(Frame),
    /// The peer is a buddy: answer its PINGs and tell it each change of the own presence, the first one if it differs
    /// from what it was told.
    Share {
        /// What it was told.
        told: Option<Presence>,
    },
    /// Measure and write a PING.
    Ping {
        /// When it was to be sent.
        due: Instant,
    },
    /// Close as soon as nothing is outstanding, at the latest after `RETIRE_AFTER`.
    Retire,
    /// Write what is ordered, then close.
    Close,
}
