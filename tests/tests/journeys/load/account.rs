//! What is owed and what is there: every number of every agent, once.
//!
//! In: the files in which agents count, their spools, the store. Out: a sum, or why it does not hold.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mgmt_service::arm::ArmRecord;
use mgmt_service::spool::{Spool, Standing};
use mgmt_service::store::{Selection, Store};
use overlay::{PeerId, identity};

use super::scene::{MANAGER, Size};

/// The books of one run.
#[derive(Debug)]
pub(crate) struct Account {
    home: PathBuf,
    size: Size,
    /// The last number that was on the disk of an agent when its process was killed, with what it had measured then.
    kept: HashMap<PathBuf, Vec<u64>>,
}

/// How the books end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    pub(crate) measured: u64,
    pub(crate) stored: u64,
    /// Measured in the last moment of a killed process.
    pub(crate) lost: u64,
    /// Whether all that is owed is there.
    pub(crate) is_whole: bool,
}

impl Account {
    pub(crate) fn new(home: &Path, size: Size) -> Self {
        Self { home: home.to_owned(), size, kept: HashMap::new() }
    }

    pub(crate) fn host_dir(&self, host: u64) -> PathBuf {
        self.home.join(format!("host-{host}"))
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.home.join(MANAGER).join("records.db")
    }

    /// Notes what the killed agents of `host` have on their disks: that is owed.
    pub(crate) fn note_kill(&mut self, host: u64) {
        for dir in self.agents_of(host) {
            let kept = last_on_disk(&dir);
            self.kept.entry(dir).or_default().push(kept);
        }
    }

    /// Records that all agents have begun.
    pub(crate) fn measured(&self) -> u64 {
        self.agents().map(|dir| count(&dir)).sum()
    }

    /// Compares what is in the store with what is owed, where the machine let others wait for so long.
    ///
    /// # Panics
    /// When a record is there twice or was never measured.
    pub(crate) fn settle(&self, size: Size, unrest: Duration) -> Sum {
        let mut agents: HashMap<PeerId, Agent> = self.agents().map(|dir| self.agent(&dir)).collect();
        let ever = Selection { since_ms: 0, until_ms: u64::MAX };
        let store = Store::read(&self.store()).unwrap();
        store.for_each_record(ever, |record| agents.get_mut(&record.peer).unwrap().take(&record)).unwrap();
        let mut sum = Sum { is_whole: true, ..Sum::default() };
        let tail = (TAIL + TURNS * unrest).as_secs_f64() * size.per_second as f64;
        for agent in agents.values() {
            agent.add_to(&mut sum, tail as u64);
        }
        sum
    }

    fn agent(&self, dir: &Path) -> (PeerId, Agent) {
        let runs = std::fs::read_to_string(dir.join("runs")).unwrap();
        let starts: Vec<u64> = runs.lines().map(|line| line.parse().unwrap()).collect();
        let count = count(dir);
        let ends = starts.iter().skip(1).copied().chain([count]);
        let runs = starts.iter().copied().zip(ends).collect();
        let kept = self.kept.get(dir).cloned().unwrap_or_default();
        (
            id(dir),
            Agent { name: dir.display().to_string(), seen: vec![false; count as usize + 1], runs, kept },
        )
    }

    fn agents(&self) -> impl Iterator<Item = PathBuf> {
        (0..self.size.hosts).flat_map(|host| self.agents_of(host))
    }

    fn agents_of(&self, host: u64) -> impl Iterator<Item = PathBuf> + use<> {
        let dir = self.host_dir(host);
        (0..self.size.agents_of(host)).map(move |agent| dir.join(format!("agent-{agent}")))
    }
}

/// One agent.
struct Agent {
    /// Its directory.
    name: String,
    /// By number.
    seen: Vec<bool>,
    /// Of each run, the number before its first record and that of its last.
    runs: Vec<(u64, u64)>,
    /// Of each run that was killed, the last number on the disk.
    kept: Vec<u64>,
}

impl Agent {
    fn take(&mut self, record: &ArmRecord) {
        let number = record.response_us.unwrap() as usize;
        assert!(number > 0 && number < self.seen.len(), "a record that was never measured: {record:?}");
        assert!(!std::mem::replace(&mut self.seen[number], true), "doubled: {record:?}");
    }

    /// A run has no gap: what is missing is its end, and only if it was killed, and nothing of what was on the disk.
    fn add_to(&self, sum: &mut Sum, tail: u64) {
        for (place, (before, last)) in self.runs.iter().copied().enumerate() {
            let run = &self.seen[before as usize + 1..=last as usize];
            let stored = run.iter().filter(|seen| **seen).count() as u64;
            let until = before + run.iter().take_while(|seen| **seen).count() as u64;
            // The last run was not killed: all of it is owed.
            let kept = self.kept.get(place).copied().unwrap_or(last);
            let is_whole = until >= kept && until - before == stored && last - until <= tail;
            sum.is_whole &= is_whole;
            sum.measured += last - before;
            sum.stored += stored;
            sum.lost += last - before - stored;
            if !is_whole {
                println!(
                    "not whole: {} {before}..{last}, {stored} stored up to {until}, owed {kept}",
                    self.name
                );
            }
        }
    }
}

fn id(dir: &Path) -> PeerId {
    identity::load_or_create(&dir.join("identity")).unwrap().public().to_peer_id()
}

fn count(dir: &Path) -> u64 {
    let bytes = std::fs::read(dir.join("count")).unwrap_or_default();
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The last number in the spool of an agent that does not run.
fn last_on_disk(dir: &Path) -> u64 {
    let (root, peer) = (dir.join("spools"), id(dir));
    let mut last = 0;
    for spool in std::fs::read_dir(&root).into_iter().flatten() {
        let standing = Standing::read(&spool.unwrap().path()).unwrap();
        let mut spool = Spool::open(&root, standing, peer).unwrap();
        // What was in the open batch is the last one; if nothing was, that is the one before it.
        let before = spool.last_seq().saturating_sub(1);
        for after in [before.saturating_sub(1), before] {
            let closed = spool.read_after(after).unwrap();
            let records = closed.map(|batch| batch.records(peer).unwrap()).unwrap_or_default();
            last = records.iter().filter_map(|record| record.response_us).fold(last, u64::max);
        }
    }
    last
}

/// What is measured so shortly before a kill may not have reached the disk,
const TAIL: Duration = Duration::from_secs(2);

/// and waits so often meanwhile: for a processor, and for the disk.
const TURNS: u32 = 2;
