//! Spools of managers that never come back: they hold no place for ever.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use overlay::{Keypair, PeerId};

use super::standing::Disk;
use super::world::{World, until};
use crate::jmx::ObjectNamePattern;
use crate::limits::SPOOLS_MAX;
use crate::spool::{Spool, Standing};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Leaves the spools of as many managers as have room, each of which was there so long ago, or a little longer.
fn left(root: &Path, ago: Duration) -> Vec<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let spools = (0..SPOOLS_MAX as u64).map(|number| {
        let attached_ms = (now - ago).as_millis() as u64 - number;
        let (manager, pattern) = (PeerId::random(), ObjectNamePattern::everything());
        let standing = Standing { manager, subscription: 1, pattern, boot: 7, attached_ms };
        drop(Spool::open(root, standing.clone(), PeerId::random()).unwrap());
        standing.directory()
    });
    spools.collect()
}

async fn with_a_further_manager(ago: Duration) -> (Vec<bool>, i64) {
    let (world, root, disk) = (World::new().await, tempfile::tempdir().unwrap(), Disk::default());
    let left = left(root.path(), ago);
    let spools = Some(root.path().to_owned());
    let anne = world.agent_at("anne", &Keypair::generate_ed25519(), spools).await;
    let (_peer, manager) = world.manager().await;
    let collection = disk.collect(&manager);
    until(|| collection.counters().contains(&("agents", 1))).await;
    let refused = || anne.counted("spools_refused");
    let spools = || -> Vec<String> {
        let files = std::fs::read_dir(root.path()).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    };
    // Either the further one has a place or it is counted.
    let placed = || spools().iter().filter(|name| !left.contains(name)).count() as i64 + refused() == 1;
    until(|| placed() && spools().len() <= SPOOLS_MAX).await;
    (left.iter().map(|name| spools().contains(name)).collect(), refused())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_was_away_for_a_day_is_given_up_over_restarts() {
    assert_eq!(with_a_further_manager(25 * HOUR).await, (vec![false; SPOOLS_MAX], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_longest_makes_room() {
    assert_eq!(with_a_further_manager(2 * HOUR).await, (vec![true, false], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_there_just_now_keeps_its_place_and_the_further_one_is_counted() {
    assert_eq!(with_a_further_manager(HOUR / 60).await, (vec![true; SPOOLS_MAX], 1));
}
