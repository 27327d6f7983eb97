//! A thousand peers, a few rendezvous and a network that fails, in virtual time and without a socket: the rules of
//! `overlay` and `rendezvous` as they ship, between them a model of sessions that stall, break and come back.
//!
//! What has to hold while it goes on: tables keep their bounds, and nobody without a lease is served. What has to hold
//! once it is quiet: each lease holder's live advertisements, in their newest edition, are found by anybody at each of
//! its rendezvous, and nothing else is.

mod acts;
mod edge;
mod exchange;
mod meeting;
mod network;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use tests::scaled;

use self::world::{Plan, World};

/// Worlds at full size, each by a seed of its own.
const WORLDS: u32 = 100;
/// Peers of each world, also at a quarter of the full size.
const PEERS: u32 = 1000;
/// How long things go wrong.
const CHURN: Duration = Duration::from_secs(300);
/// Within what time everything is right again after the last fault: a lease runs out at most, and is renewed once.
const SETTLING: Duration = Duration::from_secs(180);

/// Runs the worlds of these seeds on all processors; the first that fails says by which seed.
fn run(plan: impl Fn(u64) -> Plan + Sync) {
    let (worlds, next) = (scaled(WORLDS), AtomicU32::new(0));
    let work = || {
        loop {
            let seed = u64::from(next.fetch_add(1, Ordering::Relaxed));
            if seed >= u64::from(worlds) {
                return;
            }
            let world = catch_unwind(AssertUnwindSafe(|| {
                let mut world = World::new(seed, &plan(seed));
                world.churn(CHURN);
                world.quiet(SETTLING);
                world.assert_settled();
            }));
            assert!(world.is_ok(), "the world of seed {seed} failed");
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
}

#[test]
fn after_quiet_every_live_advertisement_is_found_and_no_dead_one() {
    let peers = scaled(4 * PEERS).min(PEERS) as usize;
    let plan = move |seed| Plan { peers, rendezvous: 1 + seed as usize % 3, leases_max: usize::MAX };
    run(plan);
}

#[test]
fn where_leases_are_fewer_than_peers_their_holders_are_served_and_nobody_else() {
    let peers = scaled(PEERS) as usize;
    run(move |seed| Plan { peers, rendezvous: 1 + seed as usize % 2, leases_max: peers * 3 / 4 });
}
