//! What is passed on among many, while links break, some are slow, and some know of few others for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::*;
use super::numbers;
use super::world::World;
use libp2p::PeerId;

/// Each of `senders` sends so many; then all is quiet for a while, and everybody has got all of it.
fn all_get_all(world: &mut World, count: u64, trouble: impl Fn(&mut World, u64)) {
    world.run(Duration::from_secs(3));
    let senders: Vec<PeerId> = world.all.iter().copied().take(3).collect();
    for number in 0..count {
        senders.iter().for_each(|sender| world.say(*sender, number));
        trouble(world, number);
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_secs(4));
    let mut lacking = Vec::new();
    for me in &world.all {
        let delivered = world.delivered.remove(me).unwrap_or_default();
        for sender in senders.iter().filter(|sender| *sender != me) {
            let of = |delivery: &&Delivery| match delivery {
                Delivery::Message { from, .. } | Delivery::Missed { from, .. } => from == sender,
                Delivery::Lagging { .. } => false,
            };
            let came = numbers(delivered.iter().filter(of).cloned());
            if came != (0..count).collect::<Vec<_>>() {
                lacking.push(came);
            }
        }
    }
    assert!(lacking.is_empty(), "{} lack something: {lacking:?}", lacking.len());
}

#[test]
fn two_hundred_members_lack_nothing_though_some_are_slow() {
    all_get_all(&mut World::seeded(1, 200), 3, |_, _| {});
}

#[test]
fn nobody_lacks_anything_however_links_break() {
    for seed in 0..4 {
        all_get_all(&mut World::seeded(seed, 24), 30, |world, number| {
            if number % 3 == 0 {
                world.break_one();
            }
        });
    }
}

#[test]
fn nobody_lacks_anything_when_members_know_of_few_for_a_while() {
    for seed in 0..4 {
        all_get_all(&mut World::seeded(seed, 24), 30, |world, number| {
            let (some, all) = (world.anybody(), world.all.clone());
            let few: BTreeSet<PeerId> = all.iter().copied().filter(|_| world.random(2) == 0).collect();
            // In the end all know of all.
            let known = if number % 2 == 0 && number < 28 { few } else { all.clone() };
            world.knows(some, &known);
            if number == 29 {
                all.iter().for_each(|peer| world.knows(*peer, &all));
            }
        });
    }
}
