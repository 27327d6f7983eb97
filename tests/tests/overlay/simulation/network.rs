//! The network: links that delay, stall and heal, sessions with two ends that may hold different views, and the one
//! queue of all that will happen.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use overlay::PeerId;
use tests::Random;

/// One life of one edge: what was meant for an earlier life no longer counts.
pub(super) type Life = (usize, u32);
/// A place in the list of rendezvous.
pub(super) type Place = usize;
/// A session, by number.
pub(super) type SessionId = usize;

/// What an edge asks.
#[derive(Debug, Clone)]
pub(super) enum Question {
    Lease(Vec<u8>),
    Discovery(Vec<u8>),
}

/// What will happen.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// The rules of an edge wanted to be called.
    EdgeTimer(Life),
    /// The rules of a rendezvous wanted to be called.
    MeetingTimer(Place),
    /// A dial ended, in a session or in nothing.
    Dialed(Life, Place),
    /// A question arrives.
    Asked(SessionId, u64, Question),
    /// An answer arrives; `None` for a refusal.
    Answered(SessionId, u64, Option<Bytes>),
    /// Nobody waits for this answer any more.
    TimedOut(Life, u64),
    /// The edge's end of a session notices that it is over.
    EdgeLoses(SessionId),
    /// The rendezvous's end does.
    MeetingLoses(SessionId),
    /// The link was cut by the cut of this number for so long that one end should notice.
    CutNoticed { session: SessionId, at_edge: bool, cut: u64 },
    /// The link works again.
    Healed(usize, Place),
    /// A rendezvous that was down runs again, knowing nothing.
    MeetingStarts(Place),
    /// Something goes wrong, or somebody does something.
    Act,
}

/// Two ends.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) life: Life,
    pub(super) place: Place,
    /// The edge, by the key of that life.
    pub(super) from: PeerId,
    pub(super) edge_end: bool,
    pub(super) meeting_end: bool,
    /// When the last message each way arrives: streams keep their order.
    last: [Instant; 2],
    /// What waits for the link to heal.
    stalled: Vec<Event>,
}

/// The queue, the links and the sessions.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) now: Instant,
    pub(super) sessions: Vec<Session>,
    by_link: BTreeMap<(usize, Place), Vec<SessionId>>,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    events: HashMap<u64, Event>,
    number: u64,
    /// Links that are cut: until when, and by which cut.
    cuts: BTreeMap<(usize, Place), (Instant, u64)>,
}

impl Network {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            now,
            sessions: Vec::new(),
            by_link: BTreeMap::new(),
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            number: 0,
            cuts: BTreeMap::new(),
        }
    }

    /// `event` happens at `at`, behind what was planned for that moment before.
    pub(super) fn at(&mut self, at: Instant, event: Event) {
        self.number += 1;
        self.queue.push(Reverse((at.max(self.now), self.number)));
        self.events.insert(self.number, event);
    }

    /// The next event until `end`; its time is now.
    pub(super) fn next(&mut self, end: Instant) -> Option<Event> {
        let Reverse((at, number)) = self.queue.peek().copied()?;
        if at > end {
            self.now = end;
            return None;
        }
        self.queue.pop();
        self.now = at;
        self.events.remove(&number)
    }

    /// Opens a session, which both ends take for open.
    pub(super) fn open(&mut self, life: Life, place: Place, from: PeerId) -> SessionId {
        let last = [self.now; 2];
        let stalled = Vec::new();
        self.sessions.push(Session { life, place, from, edge_end: true, meeting_end: true, last, stalled });
        let session = self.sessions.len() - 1;
        self.by_link.entry((life.0, place)).or_default().push(session);
        session
    }

    /// Sends along a session, to its rendezvous or to its edge, behind what was sent before.
    pub(super) fn send(&mut self, random: &mut Random, session: SessionId, to_edge: bool, event: Event) {
        let at = self.now + latency(random);
        let last = &mut self.sessions[session].last[usize::from(to_edge)];
        *last = at.max(*last);
        let at = *last;
        self.at(at, event);
    }

    /// Whether the link between them is cut.
    pub(super) fn is_cut(&self, edge: usize, place: Place) -> bool {
        self.cuts.get(&(edge, place)).is_some_and(|(until, _)| *until > self.now)
    }

    /// Keeps what can't arrive now until the link heals.
    pub(super) fn stall(&mut self, session: SessionId, event: Event) {
        self.sessions[session].stalled.push(event);
    }

    /// Cuts a link for `time`; each end of a session on it notices by itself after a while, if the cut lasts.
    pub(super) fn cut(&mut self, random: &mut Random, edge: usize, place: Place, time: Duration) {
        let until = self.now + time;
        if self.cuts.get(&(edge, place)).is_some_and(|(known, _)| *known >= until) {
            return;
        }
        let cut = self.number;
        self.cuts.insert((edge, place), (until, cut));
        self.at(until, Event::Healed(edge, place));
        for session in self.on_link(edge, place) {
            for at_edge in [true, false] {
                let noticed = self.now + Duration::from_secs(random.within(15..45) as u64);
                self.at(noticed, Event::CutNoticed { session, at_edge, cut });
            }
        }
    }

    /// Whether the link of a session has been cut ever since this cut.
    pub(super) fn is_cut_by(&self, session: SessionId, cut: u64) -> bool {
        let Session { life: (edge, _), place, .. } = self.sessions[session];
        self.cuts.get(&(edge, place)).is_some_and(|(until, known)| *until > self.now && *known == cut)
    }

    /// The link works: what stalled arrives, and who speaks to a closed end hears of it.
    pub(super) fn heal(&mut self, random: &mut Random, edge: usize, place: Place) {
        if self.is_cut(edge, place) {
            return;
        }
        for session in self.on_link(edge, place) {
            let at = self.now + latency(random);
            for event in std::mem::take(&mut self.sessions[session].stalled) {
                self.at(at, event);
            }
            match self.sessions[session] {
                Session { edge_end: true, meeting_end: false, .. } => self.at(at, Event::EdgeLoses(session)),
                Session { edge_end: false, meeting_end: true, .. } => {
                    self.at(at, Event::MeetingLoses(session))
                }
                _ => {}
            }
        }
    }

    /// Heals every link.
    pub(super) fn heal_all(&mut self, random: &mut Random) {
        for (edge, place) in std::mem::take(&mut self.cuts).into_keys() {
            self.heal(random, edge, place);
        }
    }

    /// Sessions between them of which an end is open.
    pub(super) fn on_link(&self, edge: usize, place: Place) -> Vec<SessionId> {
        let all = self.by_link.get(&(edge, place)).into_iter().flatten().copied();
        all.filter(|id| self.sessions[*id].edge_end || self.sessions[*id].meeting_end).collect()
    }
}

/// One way.
pub(super) fn latency(random: &mut Random) -> Duration {
    Duration::from_millis(random.within(2..80) as u64)
}
