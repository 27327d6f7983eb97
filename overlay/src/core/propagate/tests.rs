//! The rules under loss, doubling and disorder: a seeded world of members whose links break in the middle.
#![expect(clippy::disallowed_methods, reason = "a test needs one moment to count from")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use proptest::prelude::*;

use super::inbox::{Inbox, Taken};
use super::*;
use crate::id::{GroupId, PipeId};
use crate::protocol::propagate::{Frame, Item, Member, Parcel, Scope};

const SCOPE: Scope = Scope { group: GroupId::from_bytes([1; 32]), pipe: PipeId::from_bytes([2; 32]) };

fn key(number: u8) -> Keypair {
    Keypair::ed25519_from_bytes([number + 1; 32]).unwrap()
}

fn parcel(keypair: &Keypair, first: u64, bodies: &[u64], signed: bool) -> Parcel {
    let item = |body: &u64| Item { begins: true, more: false, body: body.to_le_bytes().to_vec().into() };
    Parcel::new(keypair, (1, first), bodies.iter().map(item).collect(), signed.then_some(SCOPE)).unwrap()
}

fn numbers(delivered: impl IntoIterator<Item = Delivery>) -> Vec<u64> {
    let number = |delivery| match delivery {
        Delivery::Message { body, .. } => u64::from_le_bytes(body[..].try_into().unwrap()),
        other => panic!("{other:?}"),
    };
    delivered.into_iter().map(number).collect()
}

proptest! {
    #[test]
    fn parcels_in_any_order_and_doubled_are_delivered_once_and_in_order(
        order in prop::collection::vec(0u64..20, 60..120),
    ) {
        let (keypair, now) = (key(0), Instant::now());
        let mut inbox = Inbox::new(keypair.public().to_peer_id(), 1, 0, false);
        let (mut ready, mut passed, mut partial) = (Vec::new(), Vec::new(), 0);
        let all = order.iter().copied().chain(0..20);
        for number in all {
            let came = parcel(&keypair, 2 * number, &[2 * number, 2 * number + 1], false);
            inbox.take(now, came, &mut partial, (&mut ready, &mut passed));
        }
        prop_assert_eq!(numbers(ready), (0..40).collect::<Vec<_>>());
        prop_assert_eq!((inbox.gap_since, passed.len(), partial), (None, 20, 0));
    }
}

#[test]
fn what_can_not_be_had_is_reported_at_its_place_and_the_rest_follows() {
    let (keypair, now) = (key(0), Instant::now());
    let from = keypair.public().to_peer_id();
    let mut inbox = Inbox::new(from, 1, 0, false);
    let (mut ready, mut passed, mut partial) = (Vec::new(), Vec::new(), 0);
    let out = (&mut ready, &mut passed);
    assert_eq!(inbox.take(now, parcel(&keypair, 5, &[5], false), &mut partial, out), Taken::Held);
    inbox.give_up(now, &mut partial, (&mut ready, &mut passed));
    assert_eq!(ready.remove(0), Delivery::Missed { from, count: 5 });
    assert_eq!(numbers(ready), [5]);
}

#[test]
fn a_message_without_its_begin_or_its_end_is_never_delivered() {
    let (keypair, now) = (key(0), Instant::now());
    let piece = |first, begins, more| {
        let item = Item { begins, more, body: Bytes::from_static(b"piece") };
        Parcel::new(&keypair, (1, first), vec![item], None).unwrap()
    };
    let mut inbox = Inbox::new(keypair.public().to_peer_id(), 1, 0, false);
    let (mut ready, mut passed, mut partial) = (Vec::new(), Vec::new(), 0);
    for came in [piece(0, false, true), piece(1, false, false), piece(2, true, true), piece(3, true, false)] {
        inbox.take(now, came, &mut partial, (&mut ready, &mut passed));
    }
    let whole = |delivery: &&Delivery| matches!(delivery, Delivery::Message { .. });
    assert_eq!((ready.iter().filter(whole).count(), ready.len(), partial), (1, 2, 0));
}

#[test]
fn who_speaks_for_another_is_found_out() {
    let (now, meters) = (Instant::now(), Arc::default());
    let (anne, mallory) = (key(1).public().to_peer_id(), key(2).public().to_peer_id());
    let mut me = Propagation::new(now, key(0).public().to_peer_id(), 1, meters);
    let forged = parcel(&key(1), 0, &[7], false);
    assert_eq!(me.on_parcel(now, mallory, forged.clone(), false), Err(Breach));
    assert_eq!(me.on_parcel(now, anne, forged, false), Ok(()));
    assert_eq!(me.on_parcel(now, anne, parcel(&key(1), 1, &[8], true), false), Err(Breach));
    assert_eq!(me.on_parcel(now, mallory, parcel(&key(1), 1, &[8], true), true), Ok(()));
    assert_eq!(numbers(me.deliver()), [7, 8]);
}

/// Members that are linked with who is near, and frames on their way.
struct World {
    now: Instant,
    keys: BTreeMap<PeerId, Keypair>,
    members: BTreeMap<PeerId, Propagation>,
    wires: BTreeMap<(PeerId, PeerId), Vec<Bytes>>,
    seed: u64,
}

impl World {
    fn seeded(seed: u64, count: u8) -> Self {
        let now = Instant::now();
        let keys: BTreeMap<_, _> = (0..count).map(|n| (key(n).public().to_peer_id(), key(n))).collect();
        let all: BTreeSet<PeerId> = keys.keys().copied().collect();
        let mut members = BTreeMap::new();
        for me in &all {
            let mut member = Propagation::new(now, *me, 1, Arc::default());
            member.relay_to(now, near(*me, &all));
            member.learn(all.iter().map(|peer| Member { peer: *peer, addresses: Vec::new() }).collect());
            members.insert(*me, member);
        }
        let mut world = Self { now, keys, members, wires: BTreeMap::new(), seed };
        for me in &all {
            for other in near(*me, &all) {
                world.link(*me, other);
            }
        }
        world
    }

    fn random(&mut self, below: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) as usize % below
    }

    /// What was on its way is lost, and the link begins anew.
    fn link(&mut self, from: PeerId, to: PeerId) {
        let (epoch, next, told) = self.members[&from].hello();
        let positions = self.members.get_mut(&to).unwrap().on_hello(self.now, from, (epoch, next), &told);
        self.members.get_mut(&from).unwrap().link_up(self.now, to, &positions);
        self.wires.insert((from, to), Vec::new());
    }

    fn break_one(&mut self) {
        let at = self.random(self.wires.len());
        let (from, to) = *self.wires.keys().nth(at).unwrap();
        self.members.get_mut(&from).unwrap().link_down(self.now, &to);
        self.members.get_mut(&to).unwrap().unheard(self.now, &from);
        self.link(from, to);
    }

    fn say(&mut self, from: PeerId, number: u64) {
        let member = self.members.get_mut(&from).unwrap();
        let (_, first) = member.reserve(self.now, 100).unwrap();
        member.send(self.now, &parcel(&self.keys[&from], first, &[number], true));
    }

    /// One link takes what there is, and one brings what it carries.
    fn step(&mut self) {
        let links: Vec<_> = self.wires.keys().copied().collect();
        let (from, to) = links[self.random(links.len())];
        let frames = self.members.get_mut(&from).unwrap().take(self.now, &to);
        self.wires.get_mut(&(from, to)).unwrap().extend(frames);
        let (from, to) = links[self.random(links.len())];
        for frame in std::mem::take(self.wires.get_mut(&(from, to)).unwrap()) {
            let (_, used) = crate::wire::frame_len(&frame, 1 << 20).unwrap().unwrap();
            self.hear(from, to, Frame::decode(&frame.slice(used..)).unwrap().unwrap());
        }
    }

    fn hear(&mut self, from: PeerId, to: PeerId, frame: Frame) {
        let (now, member) = (self.now, self.members.get_mut(&to).unwrap());
        match frame {
            Frame::Parcel(parcel) => {
                let genuine = parcel.is_genuine(SCOPE);
                member.make_room_for(now, &parcel).unwrap();
                member.on_parcel(now, from, parcel, genuine).unwrap();
            }
            Frame::Offer(offered) => member.on_offer(now, from, &offered),
            Frame::Graft(place) => member.on_graft(now, from, place),
            Frame::Prune { sender } => member.on_prune(from, sender),
            Frame::Members(_) | Frame::Lag { .. } | Frame::Leave => {}
        }
    }

    fn let_time_pass(&mut self, time: Duration) {
        self.now += time;
        let now = self.now;
        self.members.values_mut().for_each(|member| member.tick(now));
    }
}

#[test]
fn what_is_passed_on_reaches_all_once_and_in_order_however_links_break() {
    for seed in 0..8 {
        let mut world = World::seeded(seed, 12);
        world.now += Duration::from_secs(3);
        let senders: Vec<PeerId> = world.keys.keys().copied().take(2).collect();
        for number in 0..30 {
            senders.iter().for_each(|sender| world.say(*sender, number));
            (0..40).for_each(|_| world.step());
            if number % 5 == 0 {
                world.break_one();
            }
            world.let_time_pass(Duration::from_millis(20));
        }
        for _ in 0..60 {
            (0..200).for_each(|_| world.step());
            world.let_time_pass(Duration::from_millis(100));
        }
        for (me, mut member) in std::mem::take(&mut world.members) {
            let delivered = member.deliver();
            for sender in senders.iter().filter(|sender| **sender != me) {
                let of = |delivery: &&Delivery| match delivery {
                    Delivery::Message { from, .. } | Delivery::Missed { from, .. } => from == sender,
                    Delivery::Lagging { .. } => false,
                };
                let came = numbers(delivered.iter().filter(of).cloned());
                assert_eq!(came, (0..30).collect::<Vec<_>>(), "seed {seed}");
            }
        }
    }
}
