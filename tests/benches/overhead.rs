//! `cargo bench -p tests --bench overhead`: what being measured costs a messenger with a hundred buddies (paper §4.6:
//! 50 bytes a PING, a fifth more memory, five threads). Three messengers with the same buddies run side by side: one
//! is collected from, two are not managed; what these two differ by is the noise of the measurement.

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use im_app::messenger::{Command, Event};
use im_app::net::{Messenger as InProcess, Output, Settings};
use overlay::{Multiaddr, Peer};
use serde_json::json;
use tests::bench::{Plan, median};
use tests::footprint::{anonymous_mib, threads};
use tests::{Home, Meeting, Messenger, Program, loopback};

const BUDDIES: usize = 100;
const PERIOD: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let plan = Plan::from_args("overhead");
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let (invite, invites) = mpsc::channel();
    let (crowd_home, rendezvous) = (home.join("crowd"), meeting.address.parse().unwrap());
    thread::spawn(move || crowd(&crowd_home, &rendezvous, &invite));
    let invites: Vec<String> = invites.iter().take(BUDDIES).collect();

    let period = format!("{}s", PERIOD.as_secs());
    let start = |name: &str, manage: &str| {
        let more = ["--no-mdns", "--ping-period", &period, "--manage", manage];
        let mut messenger = Messenger::start(&home, name, &meeting.address, &more);
        for invite in &invites {
            messenger.must(json!({"command": "add", "invite": invite}));
        }
        messenger
    };
    let subjects = [start("off", "off"), start("on", "open"), start("off-again", "off")];
    for subject in &subjects {
        for number in 0..BUDDIES {
            let seen =
                |event: &serde_json::Value| event["event"] == "presence" && event["status"] == "online";
            subject.event_within(PATIENCE, &format!("buddy {number} of {}", subject.name), seen);
        }
    }
    let manager = Program::new("mgmt", &home).args(["collect", "--rendezvous", &meeting.address]);
    let _collecting = manager.args(loopback()).data_dir(&home.join("manager")).start();

    // Two turns of PINGs until everybody is as always.
    thread::sleep(2 * PERIOD);
    let mut spent: [Vec<f64>; 3] = Default::default();
    // A turn is the shortest time in which each messenger does all that it does.
    for _ in 0..plan.rounds / 2 {
        let before = subjects.each_ref().map(|subject| cpu_seconds(subject.pid()));
        let begun = Instant::now();
        thread::sleep(PERIOD);
        let elapsed = begun.elapsed().as_secs_f64();
        for ((subject, before), spent) in subjects.iter().zip(before).zip(&mut spent) {
            spent.push((cpu_seconds(subject.pid()) - before) / elapsed * 100.0);
        }
    }
    let memory = subjects.each_ref().map(|subject| anonymous_mib(subject.pid()));
    let threads_each = subjects.each_ref().map(|subject| threads(subject.pid()) as f64);
    print("overhead_cpu", "%", &spent.map(|each| median(&each)));
    print("overhead_memory", "MiB", &memory);
    print("overhead_threads", "", &threads_each);
}

/// What a messenger that is collected from has beyond one that is not, and what two that are not differ by.
fn print(name: &str, unit: &str, [off, on, again]: &[f64; 3]) {
    let (more, noise) = (on - off.midpoint(*again), (off - again).abs());
    println!("{name:<38} {more:>9.3} {unit:<3} off {off:.3}, on {on:.3}, off again {again:.3}");
    println!(
        "{}",
        json!({"figure": name, "value": more, "unit": unit, "off": off, "on": on, "noise": noise})
    );
}

/// Seconds that the threads of a process have run.
fn cpu_seconds(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let run = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0.0)
    };
    tasks.flatten().map(run).sum::<f64>() / 1e9
}

/// A hundred messengers in this process, which say yes to whoever asks.
fn crowd(home: &std::path::Path, rendezvous: &Multiaddr, invite: &mpsc::Sender<String>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut crowd = tokio::task::JoinSet::new();
        for number in 0..BUDDIES {
            let home = home.join(number.to_string());
            fs::create_dir_all(&home).unwrap();
            crowd.spawn(answer(home, number, rendezvous.clone(), invite.clone()));
        }
        while crowd.join_next().await.is_some() {}
    });
}

async fn answer(
    home: std::path::PathBuf,
    number: usize,
    rendezvous: Multiaddr,
    invite: mpsc::Sender<String>,
) {
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let peer = Peer::builder().listen(listen).rendezvous(rendezvous.clone()).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    let mut settings = Settings::new(home.join("im.db"), format!("buddy-{number}"));
    settings.rendezvous = vec![rendezvous];
    settings.ping_period = PERIOD;
    let messenger = InProcess::spawn(&peer, settings).await.unwrap();
    let (commands, mut outputs) = messenger.attach().await.unwrap().split();
    while let Some(output) = outputs.recv().await {
        let Output::Event { event, .. } = output else { continue };
        match &*event {
            Event::Ready { invite: text, .. } => invite.send(text.clone()).unwrap_or_default(),
            Event::ContactRequest { peer, .. } => {
                let accept = Command::Accept { buddy: peer.to_string() };
                commands.command(json!(null), Ok(accept)).await.unwrap();
            }
            _ => {}
        }
    }
}
