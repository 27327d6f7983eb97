//! Two ends with an unreliable way between them, and single ends that are lied to.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// Two ends and what is on the way between them.
struct World {
    ends: [Resumable; 2],
    /// To the first end, and to the second.
    on_the_way: [VecDeque<Bytes>; 2],
    put: [u32; 2],
    taken: [u32; 2],
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            ends: [Resumable::new(), Resumable::new()],
            on_the_way: Default::default(),
            put: [0; 2],
            taken: [0; 2],
        };
        world.link();
        world
    }

    /// What is on the way is lost; a new link begins.
    fn link(&mut self) {
        self.on_the_way = Default::default();
        let positions = [self.ends[0].tell(), self.ends[1].tell()];
        self.ends[0].resume(positions[1]).unwrap();
        self.ends[1].resume(positions[0]).unwrap();
    }

    fn put(&mut self, end: usize, len: usize) {
        if self.ends[end].has_room() {
            let mut message = vec![0; 4 + len];
            message[..4].copy_from_slice(&self.put[end].to_le_bytes());
            self.ends[end].put(&message);
            self.put[end] += 1;
        }
    }

    fn take(&mut self, end: usize) {
        if let Some(message) = self.ends[end].take() {
            assert_eq!(message[..4], self.taken[end].to_le_bytes(), "lost, doubled or out of order");
            self.taken[end] += 1;
        }
    }

    fn transmit(&mut self, end: usize) {
        self.on_the_way[1 - end].extend(self.ends[end].transmit());
    }

    fn deliver(&mut self, end: usize) {
        if let Some(frame) = self.on_the_way[end].pop_front() {
            self.ends[end].handle(frame).unwrap();
        }
    }

    /// Nothing disturbs any more, until nothing is left to do.
    fn settle(&mut self) {
        self.link();
        while (0..2).any(|end| self.ends[end].has_frames() || !self.on_the_way[end].is_empty()) {
            for end in 0..2 {
                self.transmit(end);
                self.deliver(end);
                self.take(end);
            }
        }
        (0..2).for_each(|end| (0..self.put[1 - end]).for_each(|_| self.take(end)));
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_or_doubled_wherever_links_are_cut(
        steps in proptest::collection::vec((0..24usize, 0..2usize, 0..200_000usize), 1..600)
    ) {
        let mut world = World::new();
        for (step, end, len) in steps {
            match step {
                0 => world.link(),
                1..=7 => world.put(end, len),
                8..=14 => world.transmit(end),
                15..=21 => world.deliver(end),
                _ => world.take(end),
            }
            for end in &world.ends {
                let bound = RESUMABLE_WINDOW + cost(200_004);
                prop_assert!(end.outgoing.unconfirmed_cost <= bound);
                prop_assert!(end.incoming.received_cost - end.incoming.taken_cost <= bound);
            }
        }
        world.ends.iter_mut().for_each(Resumable::end);
        world.settle();
        prop_assert_eq!([world.taken[1], world.taken[0]], world.put);
        prop_assert!(world.ends.iter().all(|end| end.is_done() && end.is_drained() && end.unconfirmed() == 0));
    }

    #[test]
    fn any_frame_is_taken_or_an_error(frames: Vec<Vec<u8>>) {
        let mut end = Resumable::new();
        for frame in frames {
            let _ = end.handle(frame.into());
        }
    }
}

#[test]
fn a_slow_reader_stops_its_sender_and_frees_it_by_reading() {
    let mut world = World::new();
    let mut taken = 0;
    for _ in 0..10_000 {
        world.put(0, 1000);
        world.transmit(0);
        world.deliver(1);
        world.transmit(1);
        world.deliver(0);
    }
    let full = world.put[0];
    assert!(!world.ends[0].has_room() && u64::from(full) * cost(1004) < RESUMABLE_WINDOW + 2 * cost(1004));
    assert_eq!(world.ends[0].unconfirmed(), 0, "what is received is confirmed, read or not");
    while !world.ends[0].has_room() {
        world.take(1);
        taken += 1;
        world.transmit(1);
        world.deliver(0);
    }
    assert!(taken <= full / 4 + 1, "word of room comes after a quarter of the window");
}

#[test]
fn an_impossible_position_is_refused_and_changes_nothing() {
    let mut world = World::new();
    world.put(0, 1);
    world.put(0, 1);
    world.transmit(0);
    let end = &mut world.ends[0];
    let at = |received| At { received, limit: 0 };
    assert!(end.may_resume(at(0)) && end.may_resume(at(1)) && !end.may_resume(at(2)));
    assert_eq!(end.resume(at(2)), Err(Impossible));
    assert_eq!((end.resume(at(1)), end.unconfirmed()), (Ok(()), 1));
    assert_eq!(end.resume(at(0)), Err(Impossible), "what was confirmed is not kept");
}

#[test]
fn an_end_that_breaks_the_rules_is_caught() {
    let position = |received: u64| [vec![POSITION], encode(&(received, 0u64), 18).unwrap()].concat();
    assert_eq!(Resumable::new().handle(position(1).into()), Err(WireError::Malformed));
    let mut end = Resumable::new();
    end.handle(Bytes::from_static(&[END])).unwrap();
    assert_eq!(
        end.handle(Bytes::from_static(&[MESSAGE])),
        Err(WireError::Malformed),
        "a message after the end"
    );
    let mut end = Resumable::new();
    end.handle(vec![MESSAGE; RESUMABLE_WINDOW as usize].into()).unwrap();
    assert_eq!(end.handle(Bytes::from_static(&[MESSAGE])), Err(WireError::Malformed), "more than the window");
    assert_eq!(end.handle(Bytes::from_static(&[9])), Err(WireError::UnknownKind { got: 9 }));
}

#[test]
fn golden_bytes_guard_the_frames() {
    let mut end = Resumable::new();
    end.resume(At { received: 0, limit: 1 << 20 }).unwrap();
    end.put(b"hi");
    end.end();
    end.handle(Bytes::from_static(&[MESSAGE])).unwrap();
    let frames: Vec<_> = std::iter::from_fn(|| end.transmit()).collect();
    assert_eq!(frames, [&[2, 1, 252, 0, 0, 16, 0][..], &[0, b'h', b'i'], &[1]]);
    assert_eq!(FAREWELL, [3]);
}
