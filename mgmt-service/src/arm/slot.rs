//! One transaction object: what is known of a transaction in flight, in words that several threads may touch at once.
//!
//! In: a claim, a start, edits, an end. Out: each transaction to exactly one of those who try to end it. Nobody waits:
//! whoever changes the `state` by compare-and-exchange owns the change, and an edit that comes too late finds another
//! generation in the word that it wants to change.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::peer_words::{PeerWords, REST_WORDS, USUAL_WORDS};
use super::record::Path;

/// A transaction object; two cache lines of its own, so that neighbours don't disturb each other.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Slot {
    /// A [`State`]: phase, number and token. Read first and changed last; it guards all others.
    state: AtomicU64,
    /// Start, in nanoseconds of the pool's clock.
    at_ns: AtomicU64,
    wall_ms: AtomicU64,
    /// Microseconds that the transaction waited before it was started (32 bits), path (8), header of the peer (16).
    head: AtomicU64,
    /// The digest of the peer's multihash.
    usual: [AtomicU64; USUAL_WORDS],
    rest: [AtomicU64; REST_WORDS],
    /// The parent's correlator, 0 for none; its trace lies beside the slots.
    parent: AtomicU64,
    /// Microseconds by which heartbeats moved the deadline.
    pub(super) extended: Edited,
    /// When it was blocked, in microseconds since the start, and 1 more; 0 when it is not.
    pub(super) blocked_since: Edited,
    /// Microseconds that it was blocked until `blocked_since`.
    pub(super) blocked: Edited,
}

/// What is told of a transaction at its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) at_ns: u64,
    pub(super) wall_ms: u64,
    pub(super) path: Path,
    pub(super) queued_us: u32,
    pub(super) parent: u64,
}

/// What a slot says of its transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) start: Start,
    blocked_since: u64,
    blocked: u64,
}

impl View {
    /// Microseconds that it was blocked, `elapsed_us` after its start.
    pub(super) fn blocked_us(&self, elapsed_us: u64) -> u64 {
        let open = self.blocked_since.checked_sub(1).map_or(0, |since| elapsed_us.saturating_sub(since));
        self.blocked.saturating_add(open).min(elapsed_us)
    }
}

impl Slot {
    /// What is in it now. All that is read afterwards belongs to it if a later [`Self::pass`] succeeds.
    pub(super) fn state(&self) -> State {
        State(self.state.load(Ordering::Acquire))
    }

    /// Takes the slot for transaction `number` if nothing is in flight in it.
    pub(super) fn claim(&self, number: u64) -> bool {
        let found = self.state();
        !matches!(found.phase(), Phase::Claimed | Phase::Live)
            && self.exchange(found, State::new(Phase::Claimed, number, 0))
    }

    /// Fills the claimed slot and lets everybody see it.
    #[inline(always)]
    pub(super) fn open(&self, live: State, start: &Start, dest: &PeerWords) {
        let store = |word: &AtomicU64, value| word.store(value, Ordering::Relaxed);
        store(&self.at_ns, start.at_ns);
        store(&self.wall_ms, start.wall_ms);
        let path = u64::from(start.path.code()) << 16;
        store(&self.head, u64::from(start.queued_us) << 32 | path | u64::from(dest.header));
        self.usual.iter().zip(dest.usual).for_each(|(word, value)| store(word, value));
        if dest.is_long() {
            self.rest.iter().zip(dest.rest).for_each(|(word, value)| store(word, value));
        }
        store(&self.parent, start.parent);
        for edited in [&self.extended, &self.blocked_since, &self.blocked] {
            edited.reset(live.generation());
        }
        self.state.store(live.0, Ordering::Release);
    }

    /// Changes the state from `from` to `to`; false when somebody else was faster. Success means that all that was
    /// read since the state was `from` belongs together.
    pub(super) fn pass(&self, from: State, to: Phase) -> bool {
        self.exchange(from, from.with(to))
    }

    /// Whether all that was read since the state was `state` belongs together.
    pub(super) fn still(&self, state: State) -> bool {
        fence(Ordering::Acquire);
        self.state.load(Ordering::Relaxed) == state.0
    }

    /// Whether the transaction is with `peer`.
    #[inline(always)]
    pub(super) fn is_with(&self, peer: &PeerWords) -> bool {
        let header = self.head.load(Ordering::Relaxed) & 0xffff;
        header == u64::from(peer.header)
            && differing(&self.usual, &peer.usual) == 0
            && (!peer.is_long() || differing(&self.rest, &peer.rest) == 0)
    }

    /// The peer that was asked.
    pub(super) fn dest(&self) -> PeerWords {
        let header = (self.head.load(Ordering::Relaxed) & 0xffff) as u16;
        PeerWords { header, usual: loaded(&self.usual), rest: loaded(&self.rest) }
    }

    #[inline(always)]
    pub(super) fn view(&self) -> View {
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let head = load(&self.head);
        let start = Start {
            at_ns: load(&self.at_ns),
            wall_ms: load(&self.wall_ms),
            path: Path::from_code((head >> 16) as u8).unwrap_or(Path::None),
            queued_us: (head >> 32) as u32,
            parent: load(&self.parent),
        };
        View { start, blocked_since: self.blocked_since.value(), blocked: self.blocked.value() }
    }

    pub(super) fn at_ns(&self) -> u64 {
        self.at_ns.load(Ordering::Relaxed)
    }

    fn exchange(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[inline(always)]
fn loaded<const WORDS: usize>(words: &[AtomicU64; WORDS]) -> [u64; WORDS] {
    words.each_ref().map(|word| word.load(Ordering::Relaxed))
}

/// The bits in which they differ. Word by word: comparing them as arrays would store them first, to compare bytes.
#[inline(always)]
fn differing<const WORDS: usize>(words: &[AtomicU64; WORDS], others: &[u64; WORDS]) -> u64 {
    let differing = |(word, other): (&AtomicU64, &u64)| word.load(Ordering::Relaxed) ^ other;
    words.iter().zip(others).map(differing).fold(0, |bits, more| bits | more)
}

/// A number that may be changed while the transaction is in flight: 46 bits, below the generation of the transaction.
#[derive(Debug, Default)]
pub(super) struct Edited(AtomicU64);

impl Edited {
    /// Changes the value by `change`, and returns what it was; none when the generation has passed, or `change` is
    /// none.
    pub(super) fn update(&self, generation: u64, change: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        let edit = |word: u64| {
            let same = word >> VALUE_BITS == generation;
            let changed = if same { change(word & VALUE_MAX) } else { None };
            changed.map(|value| generation << VALUE_BITS | value.min(VALUE_MAX))
        };
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, edit);
        before.ok().map(|word| word & VALUE_MAX)
    }

    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed) & VALUE_MAX
    }

    fn reset(&self, generation: u64) {
        self.0.store(generation << VALUE_BITS, Ordering::Relaxed);
    }
}

/// Where the transaction of a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is in flight.
    Free = 0,
    /// Somebody is about to start one.
    Claimed = 1,
    /// In flight.
    Live = 2,
    /// Ended by its timeout; an answer may still come, until the slot is taken again.
    Expired = 3,
}

/// Phase (4 bits), number (28 bits) and token (32 bits): a correlator whose top bits tell the phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State(u64);

impl State {
    pub(super) fn new(phase: Phase, number: u64, token: u64) -> Self {
        Self((phase as u64) << PHASE_SHIFT | (number & NUMBER_MASK) << 32 | token & 0xffff_ffff)
    }

    /// The state of a slot in which the transaction of `correlator` is in `phase`.
    pub(super) fn of(correlator: u64, phase: Phase) -> Self {
        Self::new(phase, correlator >> 32, correlator)
    }

    pub(super) fn phase(self) -> Phase {
        match self.0 >> PHASE_SHIFT {
            1 => Phase::Claimed,
            2 => Phase::Live,
            3 => Phase::Expired,
            _ => Phase::Free,
        }
    }

    /// The low 28 bits of the number, and the token.
    pub(super) fn body(self) -> u64 {
        self.0 & !(u64::MAX << PHASE_SHIFT)
    }

    /// How often the slot was used before, modulo 2¹⁸.
    pub(super) fn generation(self) -> u64 {
        self.body() >> GENERATION_SHIFT
    }

    fn with(self, phase: Phase) -> Self {
        Self((phase as u64) << PHASE_SHIFT | self.body())
    }
}

const PHASE_SHIFT: u32 = 60;
/// The bits of a transaction's number that a correlator carries.
pub(super) const NUMBER_MASK: u64 = (1 << 28) - 1;
/// Token, and the bits of the number that name the slot.
const GENERATION_SHIFT: u32 = 42;
/// Bits of an edited value, in microseconds: two years. The generation of a slot takes the others.
const VALUE_BITS: u32 = 46;
const VALUE_MAX: u64 = (1 << VALUE_BITS) - 1;
