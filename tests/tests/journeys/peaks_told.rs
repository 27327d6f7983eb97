//! What `mgmt report` tells of slow and failed exchanges, held against what a test did and how restless the machine was.

use std::time::{Duration, Instant, SystemTime};

use mgmt_service::arm::{ArmRecord, Path, Status};
use mgmt_service::store::Store;
use overlay::PeerId;
use serde_json::Value;
use tests::{Home, Meeting, PATIENCE, Process, Program, Signal, Unrest, loopback};

use crate::store::{grows, stored, until};

/// How long what is injected makes an exchange.
pub(crate) const MADE: Duration = Duration::from_millis(2_400);

/// From when on an exchange counts as made slow.
pub(crate) const SLOW_US: u64 = MADE.as_micros() as u64 * 3 / 4;

/// What nobody made takes at most so long on a machine that is at rest.
const REST: Duration = Duration::from_millis(400);

/// How often an exchange waits for its turn: in both messengers, in what lies between, for a disk, there and back.
const TURNS: u32 = 6;

/// How often a scene is played at most.
const SCENES_MAX: u32 = 5;

/// Failed exchanges that are no accident.
const FAILED_MIN: u64 = 4;

/// A manager that keeps what everybody measures.
pub(crate) struct Measured {
    collecting: Process,
    unrest: Unrest,
    pub(crate) store: Store,
}

impl Measured {
    /// Collects from whom these rendezvous know, and waits for something to be usual.
    pub(crate) fn usual(home: &Home, rendezvous: &[&Meeting]) -> Self {
        let unrest = Unrest::watch(home);
        let manager = home.join("manager");
        let addresses = rendezvous.iter().flat_map(|meeting| ["--rendezvous", &meeting.address]);
        let collect = Program::new("mgmt", home).args(["collect"]).args(addresses);
        let collecting = collect.args(loopback()).data_dir(&manager).start();
        let store = until("a store", || Store::read(&manager.join("records.db")).ok());
        grows(&store, 60);
        Self { collecting, unrest, store }
    }

    /// Waits for so many records that are as `wanted`.
    pub(crate) fn sees(&self, what: &str, count: usize, wanted: impl Fn(&ArmRecord) -> bool) {
        let start = Instant::now();
        loop {
            let records = stored(&self.store);
            if records.iter().filter(|record| wanted(record)).count() >= count {
                return;
            }
            let newest =
                records.iter().rev().take(40).map(|record| record.fields().join(",")).collect::<Vec<_>>();
            assert!(start.elapsed() < PATIENCE, "{what}; the newest of all:\n{}", newest.join("\n"));
            // A reader in a tight loop would starve the writer of its own file.
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Waits until an exchange went through a relay.
    pub(crate) fn relayed(&self) {
        let is_relayed = |record: &ArmRecord| record.status == Status::Good && record.path == Path::Relayed;
        self.sees("a relayed exchange", 1, is_relayed);
    }

    /// Whether there is such a record by now: all that ended before the next of `peer` was answered.
    pub(crate) fn saw(&self, peer: &str, wanted: impl Fn(&ArmRecord) -> bool) -> bool {
        let now = now();
        let later = |record: &ArmRecord| {
            record.peer.to_string() == peer && record.status == Status::Good && record.at() > now
        };
        self.sees("another answer", 1, later);
        stored(&self.store).iter().any(wanted)
    }

    /// Waits for records that are as `wanted`, which took much longer than usual.
    pub(crate) fn slow(&self, count: usize, wanted: impl Fn(&ArmRecord) -> bool) {
        let total = |record: &ArmRecord| record.split.before_us() + record.response_us.unwrap_or(0);
        let is_slow = |record: &ArmRecord| record.status == Status::Good && total(record) > SLOW_US;
        self.sees("slow records", count, |record| is_slow(record) && wanted(record));
    }

    /// What the report tells once everything has gone on as usual for a while.
    pub(crate) fn told(self, home: &Home) -> Told {
        grows(&self.store, 60);
        self.collecting.signal(Signal::Interrupt);
        assert_eq!(self.collecting.finish().code, Some(130));
        let report = Program::new("mgmt", home).args(["report", "--json"]);
        let exit = report.data_dir(&home.join("manager")).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let report: Value = serde_json::from_str(&exit.stdout.concat()).unwrap();
        let name = |id: &Value| report["names"][id.as_str().unwrap()].as_str().unwrap().to_owned();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let stretch = |told: &Value| Stretch {
            pair: (name(&told["peer"]), name(&told["dest"])),
            cause: text(&told["cause"]),
            since: text(&told["since_at"]),
            until: text(&told["until_at"]),
            count: told["count"].as_u64().unwrap(),
            slowest_us: told["slowest_us"].as_u64().unwrap_or(0),
        };
        let list = |list: &str| report[list].as_array().unwrap().iter().map(stretch).collect();
        let noise = REST + TURNS * self.unrest.longest();
        Told { peaks: list("peaks"), outages: list("outages"), noise_us: noise.as_micros() as u64 }
    }
}

/// What the report tells.
#[derive(Debug)]
pub(crate) struct Told {
    peaks: Vec<Stretch>,
    outages: Vec<Stretch>,
    /// What no exchange takes that is not made slow, as restless as the machine was.
    noise_us: u64,
}

/// A peak or an outage.
#[derive(Debug)]
struct Stretch {
    pair: (String, String),
    cause: String,
    since: String,
    until: String,
    count: u64,
    slowest_us: u64,
}

/// When something was injected, in the words of the report.
#[derive(Debug)]
pub(crate) struct Made {
    since: String,
    until: String,
}

impl Made {
    /// It begins.
    pub(crate) fn begins() -> Self {
        Self { since: now(), until: String::new() }
    }

    /// It is over.
    pub(crate) fn ends(self) -> Self {
        Self { until: now(), ..self }
    }

    fn touches(&self, told: &Stretch) -> bool {
        told.since <= self.until && told.until >= self.since
    }
}

impl Stretch {
    /// Whether a machine had no time for one of the two, as its operating system told it.
    fn is_of_machines(&self) -> bool {
        ["asker-stall", "receiver-stall"].contains(&&*self.cause)
    }

    fn is_of(&self, peer: &str, dest: &str) -> bool {
        self.pair.0 == peer && self.pair.1 == dest
    }
}

impl Told {
    /// What this one measured alone.
    pub(crate) fn by(mut self, peer: &str) -> Self {
        self.peaks.retain(|peak| peak.pair.0 == peer);
        self.outages.retain(|outage| outage.pair.0 == peer);
        self
    }

    /// Asserts that each of these pairs was slow for its cause when this was `made`, that no other is named for it, and
    /// that there is no other peak but such as the unrest of the machine makes: of what lies between the two (links,
    /// relays, rendezvous) nothing tells how long it waited for a processor.
    pub(crate) fn has_peaks(&self, made: &Made, pairs: &[(&str, &str, &str)]) -> Result<(), Wrong> {
        for (peer, dest, cause) in pairs {
            let is_made = |peak: &&Stretch| made.touches(peak) && peak.is_of(peer, dest);
            let mut slow = self.peaks.iter().filter(is_made).filter(|peak| peak.slowest_us > SLOW_US);
            let is_told = slow.any(|peak| peak.cause == *cause);
            self.judge(is_told, || format!("{peer} → {dest} {cause} {made:?}"))?;
        }
        let others = self.peaks.iter().filter(|peak| !peak.is_of_machines());
        for peak in others.filter(|peak| peak.slowest_us > self.noise_us) {
            let explains =
                |(peer, dest, cause): &(&str, &str, &str)| peak.is_of(peer, dest) && peak.cause == *cause;
            let is_made = made.touches(peak) && pairs.iter().any(explains);
            self.judge(is_made, || format!("{peak:?} {made:?}"))?;
        }
        Ok(())
    }

    /// Asserts that each of these pairs failed for this cause, and no other, when this was `made`.
    pub(crate) fn has_outages(&self, made: &Made, pairs: &[(&str, &str, &str)]) -> Result<(), Wrong> {
        for (peer, dest, cause) in pairs {
            let outages =
                self.outages.iter().filter(|outage| made.touches(outage) && outage.is_of(peer, dest));
            let causes: Vec<_> =
                outages.filter(|outage| outage.count >= FAILED_MIN).map(|outage| &*outage.cause).collect();
            let is_told = !causes.is_empty() && causes.iter().all(|told| told == cause);
            self.judge(is_told, || format!("{causes:?} {made:?}"))?;
        }
        Ok(())
    }

    /// Asserts that nothing was slow, however little, for a cause of the exchange, and that there was no outage.
    pub(crate) fn is_quiet(&self) -> Result<(), Wrong> {
        let is_quiet = self.peaks.iter().all(Stretch::is_of_machines);
        self.judge(is_quiet && self.outages.is_empty(), || "it was quiet".to_owned())
    }

    fn judge(&self, holds: bool, what: impl FnOnce() -> String) -> Result<(), Wrong> {
        let wrong = || Wrong { sentence: format!("{} {self:#?}", what()), noise_us: self.noise_us };
        if holds { Ok(()) } else { Err(wrong()) }
    }
}

/// What is told is not what was made.
#[derive(Debug)]
pub(crate) struct Wrong {
    sentence: String,
    noise_us: u64,
}

/// Plays a scene. Where the machine itself made exchanges as slow as the scene does, what is told of the scene proves
/// nothing against the report, and it is played anew.
pub(crate) fn told_as_made(scene: impl Fn() -> Result<(), Wrong>) {
    for played in 1.. {
        let Err(Wrong { sentence, noise_us }) = scene() else { return };
        assert!(noise_us > SLOW_US && played < SCENES_MAX, "{sentence}");
        println!("the machine let exchanges wait for {noise_us} µs; anew: {sentence}");
    }
}

/// The moment, as the report writes it.
fn now() -> String {
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    ArmRecord { at_ms: at.as_millis() as u64, ..ArmRecord::empty(PeerId::random()) }.at()
}
