//! Promise: a standing collection loses nothing and doubles nothing, whoever is killed, cut off or has no room meanwhile,
//! and its memory is bounded.
//!
//! `JUXTA_SCALE=1` is a thousand agents that measure 10,000 records a second for ten minutes, through five rounds of
//! faults. What is owed: each record that an agent has written to its disk, and of a killed process all but its last
//! moment.

mod account;
mod gauges;
mod scene;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use self::gauges::Gauges;
use self::scene::{Scene, Size};

#[test]
fn a_standing_collection_loses_and_doubles_nothing_whatever_is_killed_cut_or_full() {
    // A small disk of its own needs a mount, which nobody else shall see.
    let mounts = Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    if !mounts || std::env::var_os(INSIDE).is_some() {
        return collect(mounts);
    }
    let test = std::env::current_exe().unwrap();
    let mut again = Command::new("unshare");
    again.arg("-rm").arg(test).args(["--exact", NAME, "--nocapture"]).env(INSIDE, "1");
    assert!(again.status().unwrap().success(), "see above");
}

/// What happens in each round, at which share of it.
const FAULTS: [(f64, Fault); 5] = [
    (0.12, Fault::KillManager),
    (0.3, Fault::KillAgents),
    (0.5, Fault::Cut),
    (0.75, Fault::FillDisk),
    (0.93, Fault::KillManager),
];

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillManager,
    KillAgents,
    Cut,
    FillDisk,
}

fn collect(mounts: bool) {
    let size = Size::of_this_run();
    let mut scene = Scene::start(size, mounts);
    let (round, mut gauges) = (size.time / size.rounds, Gauges::new(size));
    for number in 0..size.rounds {
        for (share, fault) in FAULTS {
            gauges.watch(&scene, round * number + round.mul_f64(share));
            gauges.note(&format!("{fault:?}"));
            match fault {
                Fault::KillManager => scene.kill_manager(),
                Fault::KillAgents => scene.kill_agents(),
                Fault::Cut => scene.cut(),
                Fault::FillDisk => {
                    scene.fill_disk();
                    gauges.watch(&scene, round * number + round.mul_f64(share + 0.1));
                    scene.free_disk();
                }
            }
        }
    }
    gauges.watch(&scene, size.time);
    let measured = scene.stop_measuring();
    gauges.note("measuring ends");
    let begun = Instant::now();
    while scene.end_manager_and_look(measured) && begun.elapsed() < SETTLED_MAX {
        scene.start_last_manager();
        gauges.watch_until_quiet(&scene);
    }
    gauges.note("all is there");
    let sum = scene.settle();
    assert!(sum.is_whole, "everything that is owed is there");
    println!(
        "{} measured, {} stored, {} lost with killed processes, 0 doubled; the manager held at most {} MiB",
        sum.measured,
        sum.stored,
        sum.lost,
        gauges.most_memory() >> 20
    );
    let per_second = sum.stored as f64 / size.time.as_secs_f64();
    println!("{}", json!({"figure": "management_records", "value": per_second.round(), "unit": "1/s"}));
    assert!(gauges.most_memory() < MEMORY_MAX, "memory is bounded");
}

/// How long managers may take until they have all.
const SETTLED_MAX: Duration = Duration::from_secs(600);

/// Below what the manager's memory stays, whatever has piled up at a thousand agents.
const MEMORY_MAX: u64 = 512 << 20;

const INSIDE: &str = "JUXTA_LOAD_INSIDE";
const NAME: &str = "load::a_standing_collection_loses_and_doubles_nothing_whatever_is_killed_cut_or_full";
