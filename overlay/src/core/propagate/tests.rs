//! The rules under loss, doubling and disorder, of one member and of a seeded world of many.
#![expect(clippy::disallowed_methods, reason = "a test needs one moment to count from")]

mod crowd;
mod world;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use libp2p::identity::Keypair;
use proptest::prelude::*;

use super::inbox::{Inbox, Taken};
use super::*;
use crate::id::{GroupId, PipeId};
use crate::protocol::propagate::{Frame, Item, Parcel, Scope};

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
    let mut me = Propagation::new(now, (key(0).public().to_peer_id(), 1), meters, Arc::default());
    let forged = parcel(&key(1), 0, &[7], false);
    assert_eq!(me.on_parcel(now, mallory, forged.clone(), false), Err(Breach));
    assert_eq!(me.on_parcel(now, anne, forged, false), Ok(()));
    assert_eq!(me.on_parcel(now, anne, parcel(&key(1), 1, &[8], true), false), Err(Breach));
    assert_eq!(me.on_parcel(now, mallory, parcel(&key(1), 1, &[8], true), true), Ok(()));
    assert_eq!(numbers(me.deliver()), [7, 8]);
}

/// What `from` says to `to`, of frames that are no parcels.
fn heard(now: Instant, from: &mut Propagation, to: &mut Propagation) -> usize {
    let mut parcels = 0;
    for frame in from.take(now, &to.me) {
        let (_, used) = crate::wire::frame_len(&frame, 1 << 20).unwrap().unwrap();
        match Frame::decode(&frame.slice(used..)).unwrap().unwrap() {
            Frame::Parcel(parcel) => {
                parcels += 1;
                to.on_parcel(now, from.me, parcel, true).unwrap();
            }
            Frame::Offer(offered) => to.on_offer(now, from.me, &offered),
            Frame::Graft(place) => to.on_graft(now, from.me, place),
            _ => {}
        }
    }
    parcels
}

/// Two neighbours that are linked both ways, past the time in which they settle.
fn neighbours() -> (Instant, Propagation, Propagation) {
    let start = Instant::now();
    let mut pair = [0, 1]
        .map(|n| Propagation::new(start, (key(n).public().to_peer_id(), 1), Arc::default(), Arc::default()));
    let now = start + 2 * crate::limits::PROPAGATE_SETTLE;
    let [anne, bert] = &mut pair;
    let (annes, berts) = (anne.me, bert.me);
    for (member, other) in [(&mut *anne, berts), (bert, annes)] {
        member.relay_to([other].into());
        member.link_up(now, other, &[]);
    }
    let [anne, bert] = pair;
    (now, anne, bert)
}

#[test]
fn who_wants_no_copies_still_learns_of_what_it_was_not_sent() {
    let (mut now, mut anne, mut bert) = neighbours();
    let carl = key(2).public().to_peer_id();
    let said = |first| parcel(&key(2), first, &[first], true);
    (0..2).for_each(|number| anne.on_parcel(now, carl, said(number), true).unwrap());
    // Bert has the first from Carl himself, who is silent from then on; Anne had not written the second yet.
    bert.on_parcel(now, carl, said(0), true).unwrap();
    anne.on_prune(bert.me, carl);
    for _ in 0..5 {
        now += crate::limits::PROPAGATE_OFFER_PERIOD;
        anne.tick(now);
        heard(now, &mut anne, &mut bert);
        bert.tick(now);
        heard(now, &mut bert, &mut anne);
    }
    assert_eq!(numbers(bert.deliver()), [0, 1]);
}

#[test]
fn who_becomes_a_neighbour_gets_what_was_passed_on_before() {
    let (mut now, mut anne, mut bert) = neighbours();
    let carl = key(2).public().to_peer_id();
    anne.relay_to([].into());
    anne.on_parcel(now, carl, parcel(&key(2), 0, &[0], true), true).unwrap();
    anne.relay_to([bert.me].into());
    for _ in 0..5 {
        now += crate::limits::PROPAGATE_OFFER_PERIOD;
        anne.tick(now);
        heard(now, &mut anne, &mut bert);
        bert.tick(now);
        heard(now, &mut bert, &mut anne);
    }
    assert_eq!(numbers(bert.deliver()), [0]);
}

#[test]
fn of_two_that_a_sender_signed_under_one_number_the_first_counts_and_is_passed_on() {
    let (now, mut anne, mut bert) = neighbours();
    let carl = key(2).public().to_peer_id();
    for (first, bodies) in [(0, &[7][..]), (0, &[8]), (0, &[8, 9]), (2, &[2]), (2, &[3]), (1, &[1])] {
        let from = if first == 2 { bert.me } else { carl };
        anne.on_parcel(now, from, parcel(&key(2), first, bodies, true), true).unwrap();
    }
    assert_eq!(numbers(anne.deliver()), [7, 1, 2]);
    let counted = anne.meters.snapshot();
    assert!(
        counted.contains(&("propagate_equivocations", 3)) && counted.contains(&("propagate_duplicates", 0))
    );
    heard(now, &mut anne, &mut bert);
    assert_eq!(numbers(bert.deliver()), [7, 1, 2]);
}
