//! Members in a time of their own: frames take their time on each link, and everything follows from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::identity::Keypair;

use super::super::*;
use super::{key, parcel};
use crate::limits::{PROPAGATE_OFFER_PERIOD, PROPAGATE_REFRESH};
use crate::protocol::propagate::Frame;

/// What happens next.
#[derive(Debug)]
enum Event {
    /// The frames of this life of the link are there.
    Arrive {
        from: PeerId,
        to: PeerId,
        life: u64,
        frames: Vec<Bytes>,
    },
    /// The task of this life of the link gets to run.
    Write {
        from: PeerId,
        to: PeerId,
        life: u64,
    },
    Tick(PeerId),
    Refresh(PeerId),
}

/// One direction between two members.
#[derive(Debug, Default)]
struct Wire {
    life: u64,
    busy: bool,
}

/// Members that are linked with who is near, and frames on their way.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) all: BTreeSet<PeerId>,
    pub(super) members: BTreeMap<PeerId, Propagation>,
    /// What each application was given.
    pub(super) delivered: BTreeMap<PeerId, Vec<Delivery>>,
    keys: BTreeMap<PeerId, Keypair>,
    wires: BTreeMap<(PeerId, PeerId), Wire>,
    events: BTreeMap<(Instant, u64), Event>,
    /// How long a frame takes to each member, at most.
    delays: BTreeMap<PeerId, Duration>,
    count: u64,
    seed: u64,
}

impl World {
    /// So many members that know of each other for a while; one of ten takes very long for all that comes to it.
    pub(super) fn seeded(seed: u64, count: u8) -> Self {
        let now = Instant::now();
        let keys: BTreeMap<_, _> = (0..count).map(|n| (key(n).public().to_peer_id(), key(n))).collect();
        let all: BTreeSet<PeerId> = keys.keys().copied().collect();
        let mut world = Self {
            now,
            all: all.clone(),
            members: BTreeMap::new(),
            delivered: BTreeMap::new(),
            keys,
            wires: BTreeMap::new(),
            events: BTreeMap::new(),
            delays: BTreeMap::new(),
            count: 0,
            seed,
        };
        for me in &all {
            let mut member = Propagation::new(now, (*me, 1), Arc::default(), Arc::default());
            member.relay_to(near(*me, &all));
            world.members.insert(*me, member);
            let slow = world.random(10) == 0;
            world.delays.insert(*me, Duration::from_millis(if slow { 600 } else { 30 }));
            let (tick, refresh) = (world.some_of(PROPAGATE_OFFER_PERIOD), world.some_of(PROPAGATE_REFRESH));
            world.after(tick, Event::Tick(*me));
            world.after(refresh, Event::Refresh(*me));
        }
        for me in &all {
            near(*me, &all).into_iter().for_each(|other| world.link(*me, other));
        }
        world
    }

    pub(super) fn random(&mut self, below: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) as usize % below
    }

    pub(super) fn anybody(&mut self) -> PeerId {
        let at = self.random(self.all.len());
        *self.all.iter().nth(at).unwrap()
    }

    fn some_of(&mut self, time: Duration) -> Duration {
        Duration::from_micros(self.random(time.as_micros() as usize) as u64)
    }

    fn after(&mut self, time: Duration, event: Event) {
        self.count += 1;
        self.events.insert((self.now + time, self.count), event);
    }

    pub(super) fn member(&mut self, peer: PeerId) -> &mut Propagation {
        self.members.get_mut(&peer).unwrap()
    }

    /// What was on its way is lost, and the link begins anew.
    fn link(&mut self, from: PeerId, to: PeerId) {
        let now = self.now;
        let (epoch, next, told) = self.members[&from].hello();
        let positions = self.member(to).on_hello(now, from, (epoch, next), &told);
        self.member(from).link_up(now, to, &positions);
        let wire = self.wires.entry((from, to)).or_default();
        (wire.life, wire.busy) = (wire.life + 1, false);
        self.pump(from);
    }

    /// Some link breaks and is made anew.
    pub(super) fn break_one(&mut self) {
        let at = self.random(self.wires.len());
        let (from, to) = *self.wires.keys().nth(at).unwrap();
        let now = self.now;
        self.member(from).link_down(now, &to);
        self.member(to).unheard(now, &from);
        self.link(from, to);
    }

    /// This member knows of these alone from now on, and links with who is near among them.
    pub(super) fn knows(&mut self, me: PeerId, known: &BTreeSet<PeerId>) {
        let near = near(me, known);
        let new: Vec<_> =
            near.iter().filter(|peer| !self.wires.contains_key(&(me, **peer))).copied().collect();
        self.member(me).relay_to(near);
        new.into_iter().for_each(|peer| self.link(me, peer));
    }

    pub(super) fn say(&mut self, from: PeerId, number: u64) {
        let now = self.now;
        let (_, first) = self.member(from).reserve(now, 100).unwrap();
        let parcel = parcel(&self.keys[&from], first, &[number], true);
        self.member(from).send(now, &parcel);
        self.pump(from);
    }

    /// Each idle link of this member takes what there is.
    fn pump(&mut self, from: PeerId) {
        if !self.member(from).has_news() {
            return;
        }
        let none = PeerId::from_bytes(&[0, 0]).unwrap();
        let links = self.wires.range((from, none)..).take_while(|((of, _), _)| *of == from);
        let idle: Vec<_> = links.filter(|(_, wire)| !wire.busy).map(|((_, to), _)| *to).collect();
        idle.into_iter().for_each(|to| self.wake(from, to));
    }

    /// The link writes soon, on a machine that has much to do.
    fn wake(&mut self, from: PeerId, to: PeerId) {
        let time = self.some_of(self.delays[&from] / 4);
        let wire = self.wires.get_mut(&(from, to)).unwrap();
        wire.busy = true;
        let life = wire.life;
        self.after(time, Event::Write { from, to, life });
    }

    fn write(&mut self, from: PeerId, to: PeerId) {
        let now = self.now;
        let frames = self.member(from).take(now, &to);
        let time = self.some_of(self.delays[&to]);
        let wire = self.wires.get_mut(&(from, to)).unwrap();
        wire.busy = !frames.is_empty();
        let life = wire.life;
        if !frames.is_empty() {
            self.after(time, Event::Arrive { from, to, life, frames });
        }
    }

    /// All that happens within this time.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            match event {
                Event::Arrive { from, to, life, frames } => {
                    if self.wires[&(from, to)].life == life {
                        frames.into_iter().for_each(|frame| self.hear(from, to, &frame));
                        self.wake(from, to);
                        self.pump(to);
                    }
                }
                Event::Write { from, to, life } => {
                    if self.wires[&(from, to)].life == life {
                        self.write(from, to);
                    }
                }
                Event::Tick(peer) => {
                    self.member(peer).tick(at);
                    self.pump(peer);
                    self.after(PROPAGATE_OFFER_PERIOD, Event::Tick(peer));
                }
                Event::Refresh(peer) => {
                    self.member(peer).tell_again();
                    self.pump(peer);
                    self.after(PROPAGATE_REFRESH, Event::Refresh(peer));
                }
            }
        }
        self.now = end;
    }

    fn hear(&mut self, from: PeerId, to: PeerId, frame: &Bytes) {
        let (_, used) = crate::wire::frame_len(frame, 1 << 20).unwrap().unwrap();
        let (now, member) = (self.now, self.members.get_mut(&to).unwrap());
        match Frame::decode(&frame.slice(used..)).unwrap().unwrap() {
            Frame::Parcel(parcel) => {
                // Nobody here forges, and the check of signatures would take most of the time.
                member.make_room_for(now, &parcel).unwrap();
                member.on_parcel(now, from, parcel, true).unwrap();
                self.delivered.entry(to).or_default().extend(member.deliver());
            }
            Frame::Offer(offered) => member.on_offer(now, from, &offered),
            Frame::Graft(place) => member.on_graft(now, from, place),
            Frame::Prune { sender } => member.on_prune(from, sender),
            Frame::Members(_) | Frame::Lag { .. } | Frame::Leave => {}
        }
    }
}
