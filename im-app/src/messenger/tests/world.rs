//! A world of messengers: each core's effects become the other's inputs, at once unless a test holds them back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use overlay::{PeerId, Reached};

use crate::buddy::{Alias, Buddy, Contact};
use crate::error::CommandError;
use crate::message::Outgoing;
use crate::messenger::{
    Answer, Command, Core, Counter, Counters, Effect, Event, Input, LinkId, Moment, Order, Own, Ticket,
};
use crate::presence::Path;
use crate::status::{Presence, Status};
use crate::store::{Kept, Op};
use crate::wire::{Frame, MessageId};

/// Which messenger.
pub(super) type Who = usize;

/// One messenger, with what it keeps.
pub(super) struct Node {
    pub(super) peer: PeerId,
    core: Option<Core>,
    pub(super) counters: Counters,
    pub(super) events: Vec<Event>,
    pub(super) replies: Vec<Result<Answer, CommandError>>,
    pub(super) pings: usize,
    pub(super) unreachable: usize,
    shared_with: BTreeSet<LinkId>,
    presence: Presence,
    kept: Disk,
}

/// What survives a crash.
#[derive(Default)]
struct Disk {
    buddies: BTreeMap<PeerId, Buddy>,
    outbox: Vec<Outgoing>,
    received: BTreeSet<(PeerId, MessageId)>,
    last_seq: BTreeMap<PeerId, u64>,
}

/// The world.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) nodes: Vec<Node>,
    /// Both ends of each pipe.
    pipes: BTreeMap<LinkId, (Who, Who)>,
    frames: VecDeque<(LinkId, Who, Frame)>,
    last: u64,
    /// PONGs are lost while this is so.
    pub(super) deaf: BTreeSet<Who>,
    /// Acknowledgements are lost while this is so.
    pub(super) lose_acknowledgements: bool,
}

pub(super) const PERIOD: Duration = Duration::from_secs(10);

impl World {
    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    pub(super) fn of(count: usize) -> Self {
        let mut world = Self {
            now: Instant::now(),
            nodes: Vec::new(),
            pipes: BTreeMap::new(),
            frames: VecDeque::new(),
            last: 0,
            deaf: BTreeSet::new(),
            lose_acknowledgements: false,
        };
        for who in 0..count {
            world.nodes.push(Node {
                peer: PeerId::random(),
                core: None,
                counters: Counters::default(),
                events: Vec::new(),
                replies: Vec::new(),
                pings: 0,
                unreachable: 0,
                shared_with: BTreeSet::new(),
                presence: Presence::default(),
                kept: Disk::default(),
            });
            world.start(who);
        }
        world
    }

    /// Two messengers whose users are buddies and see each other online.
    pub(super) fn of_buddies() -> Self {
        let mut world = Self::of(2);
        let invite = world.core(1).invite();
        let invite = Box::new(invite);
        world.command(0, Command::Add { invite, alias: None }).expect("added");
        let buddy = world.nodes[0].peer.to_string();
        world.command(1, Command::Accept { buddy }).expect("accepted");
        assert_eq!((world.sees(0, 1), world.sees(1, 0)), (Status::Online, Status::Online));
        world.nodes.iter_mut().for_each(|node| node.events.clear());
        world
    }

    pub(super) fn start(&mut self, who: Who) {
        let node = &mut self.nodes[who];
        let own = Own {
            peer: node.peer,
            name: format!("n{who}"),
            addresses: vec![],
            rendezvous: vec![],
            ping_period: PERIOD,
            ping_timeout: PERIOD,
        };
        let kept = Kept {
            buddies: node.kept.buddies.values().cloned().collect(),
            outbox: node.kept.outbox.clone(),
            last_seq: node.kept.last_seq.clone(),
            settings: BTreeMap::new(),
        };
        let at = Moment { now: self.now, wall_ms: 0 };
        node.core = Some(Core::start(at, own, kept, node.counters.clone()));
        self.settle();
    }

    /// Ends a messenger without a word.
    pub(super) fn kill(&mut self, who: Who) {
        self.nodes[who].core = None;
        let ended: Vec<LinkId> = self
            .pipes
            .iter()
            .filter(|(_, ends)| ends.0 == who || ends.1 == who)
            .map(|(link, _)| *link)
            .collect();
        for link in ended {
            self.cut(link);
        }
        self.settle();
    }

    /// Breaks all pipes; everybody lives on.
    pub(super) fn break_pipes(&mut self) {
        for link in self.pipes.keys().copied().collect::<Vec<_>>() {
            self.cut(link);
        }
        self.settle();
    }

    pub(super) fn command(&mut self, who: Who, command: Command) -> Result<Answer, CommandError> {
        self.last += 1;
        let mut message_id = [0; 16];
        message_id[..8].copy_from_slice(&self.last.to_be_bytes());
        let ticket = Ticket(self.last);
        let input = Input::Command { ticket, command: Ok(command), message_id };
        self.input(who, input);
        self.settle();
        self.nodes[who].replies.last().cloned().expect("a reply")
    }

    pub(super) fn say(&mut self, from: Who, to: Who, text: &str) -> Result<Answer, CommandError> {
        let (to, text) = (self.nodes[to].peer.to_string(), text.to_owned());
        self.command(from, Command::Send { to, text })
    }

    /// Lets time pass, timer by timer.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let timers = self.nodes.iter().filter_map(|node| node.core.as_ref()?.poll_timeout());
            let Some(next) = timers.min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            for who in 0..self.nodes.len() {
                self.input(who, Input::Timeout);
            }
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn core(&self, who: Who) -> &Core {
        self.nodes[who].core.as_ref().expect("it runs")
    }

    /// How `buddy` is, as `who` sees it.
    pub(super) fn sees(&mut self, who: Who, buddy: Who) -> Status {
        let buddy = self.nodes[buddy].peer;
        match self.command(who, Command::Roster) {
            Ok(Answer::Roster(all)) => {
                let found = all.into_iter().find(|seen| seen.peer == buddy);
                found.expect("in the list").sight.presence.status
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn contact(&self, who: Who, buddy: Who) -> Option<Contact> {
        self.nodes[who].kept.buddies.get(&self.nodes[buddy].peer).map(|buddy| buddy.contact)
    }

    pub(super) fn texts(&self, who: Who) -> Vec<String> {
        let text = |event: &Event| match event {
            Event::Message { message, .. } => Some(message.text.clone()),
            _ => None,
        };
        self.nodes[who].events.iter().filter_map(text).collect()
    }

    pub(super) fn pipe_count(&self) -> usize {
        self.pipes.len()
    }

    pub(super) fn count(&self, who: Who, counter: Counter) -> u64 {
        self.nodes[who].counters.get(counter)
    }

    /// Puts a frame on the newest pipe between two, as a peer that keeps no rules would.
    pub(super) fn forge(&mut self, from: Who, to: Who, frame: Frame) {
        let between = |ends: &(Who, Who)| *ends == (from, to) || *ends == (to, from);
        let link = self.pipes.iter().rev().find(|(_, ends)| between(ends)).map(|(link, _)| *link);
        let link = link.expect("a pipe");
        self.input(to, Input::Frame { link, frame });
        self.settle();
    }

    /// Opens a pipe to somebody, as anybody may.
    pub(super) fn connect(&mut self, from: Who, to: Who) -> LinkId {
        self.last += 1;
        let link = LinkId(self.last);
        self.pipes.insert(link, (from, to));
        for (who, opened_here) in [(to, false), (from, true)] {
            let peer = self.nodes[if opened_here { to } else { from }].peer;
            let path = Path::Direct;
            if !self.pipes.contains_key(&link) {
                break;
            }
            self.input(who, Input::LinkUp { link, peer, opened_here, path });
        }
        link
    }

    fn other(&self, link: LinkId, who: Who) -> Option<Who> {
        let ends = self.pipes.get(&link)?;
        Some(if ends.0 == who { ends.1 } else { ends.0 })
    }

    fn cut(&mut self, link: LinkId) {
        let Some((one, other)) = self.pipes.remove(&link) else { return };
        self.frames.retain(|(on, _, _)| *on != link);
        for who in [one, other] {
            self.nodes[who].shared_with.remove(&link);
            self.input(who, Input::LinkDown { link });
        }
    }

    pub(super) fn settle(&mut self) {
        loop {
            for who in 0..self.nodes.len() {
                self.do_effects(who);
            }
            let Some((link, to, frame)) = self.frames.pop_front() else { return };
            if self.pipes.contains_key(&link) {
                self.input(to, Input::Frame { link, frame });
            }
        }
    }

    fn input(&mut self, who: Who, input: Input) {
        let at = Moment { now: self.now, wall_ms: 0 };
        if let Some(core) = &mut self.nodes[who].core {
            core.handle(at, input);
        }
        self.do_effects(who);
    }

    fn do_effects(&mut self, who: Who) {
        let mut fresh = true;
        while let Some(effect) = self.nodes[who].core.as_mut().and_then(Core::poll_effect) {
            match effect {
                Effect::Store(op) => fresh &= self.nodes[who].kept.apply(op),
                Effect::Reply { answer, .. } => self.nodes[who].replies.push(answer),
                Effect::Event(event) if fresh => self.nodes[who].events.push(event),
                Effect::Event(_) | Effect::Ask { .. } | Effect::Quit => {}
                Effect::Order { link, order } => self.order(who, link, order),
                Effect::Dial { peer, .. } => self.dial(who, peer),
                Effect::Unreachable { .. } => self.nodes[who].unreachable += 1,
                Effect::OwnPresence(presence) => self.change(who, presence),
            }
        }
    }

    fn dial(&mut self, who: Who, peer: PeerId) {
        let found = self.nodes.iter().position(|node| node.peer == peer && node.core.is_some());
        if let Some(to) = found {
            self.connect(who, to);
        }
        let reached = found.is_some();
        self.input(who, Input::DialEnded { peer, reached, took: Reached::default() });
    }

    fn change(&mut self, who: Who, presence: Presence) {
        self.nodes[who].presence = presence.clone();
        for link in self.nodes[who].shared_with.clone() {
            self.order(who, link, Order::Send(Frame::Status(presence.clone())));
        }
    }

    fn order(&mut self, who: Who, link: LinkId, order: Order) {
        let Some(other) = self.other(link, who) else { return };
        match order {
            Order::Send(Frame::Delivered { .. }) if self.lose_acknowledgements => {}
            Order::Send(frame) => {
                let message_id = match &frame {
                    Frame::Message(message) => Some(message.message_id),
                    _ => None,
                };
                self.frames.push_back((link, other, frame));
                if let Some(message_id) = message_id {
                    self.input(who, Input::Written { link, message_id });
                }
            }
            Order::Share { told } => {
                self.nodes[who].shared_with.insert(link);
                let presence = self.nodes[who].presence.clone();
                if told.as_ref() != Some(&presence) {
                    self.frames.push_back((link, other, Frame::Status(presence)));
                }
            }
            Order::Ping { .. } => {
                self.nodes[who].pings += 1;
                let answers = self.nodes[other].shared_with.contains(&link) && !self.deaf.contains(&other);
                if answers {
                    let presence = self.nodes[other].presence.clone();
                    let rtt = Some(Duration::from_micros(100));
                    self.input(who, Input::Pong { link, presence, rtt });
                }
            }
            Order::Retire | Order::Close => {
                // What was written before is still read.
                while let Some(at) = self.frames.iter().position(|(on, to, _)| *on == link && *to == other) {
                    if let Some((_, to, frame)) = self.frames.remove(at) {
                        self.input(to, Input::Frame { link, frame });
                    }
                }
                self.cut(link);
            }
        }
    }
}

impl Disk {
    /// False when a message was there already.
    fn apply(&mut self, op: Op) -> bool {
        match op {
            Op::PutBuddy(buddy) => drop(self.buddies.insert(buddy.peer, buddy)),
            Op::RemoveBuddy(peer) => drop(self.buddies.remove(&peer)),
            Op::Queue(message) => {
                self.last_seq.insert(message.peer, message.seq);
                self.outbox.push(message);
            }
            Op::Receive { peer, message } => return self.received.insert((peer, message.message_id)),
            Op::SetState { message_id, state, .. } if state != crate::message::MessageState::Sent => {
                self.outbox.retain(|message| message.message_id != message_id);
            }
            _ => {}
        }
        true
    }
}

/// An alias for a test.
pub(super) fn alias(text: &str) -> Alias {
    Alias::parse(text).expect("an alias")
}
