//! What is told while it goes on: a line every thirty seconds, and the manager's memory every half second.

use std::time::{Duration, Instant};

use super::scene::{Scene, Size};

/// The gauges of one run.
#[derive(Debug)]
pub(crate) struct Gauges {
    begun: Instant,
    period: Duration,
    told_at: Duration,
    stored: u64,
    /// Which process had used how many ticks of the processor.
    ticks: (Option<u32>, u64),
    most_memory: u64,
}

impl Gauges {
    pub(crate) fn new(size: Size) -> Self {
        println!(
            "{:>6} {:>10} {:>10} {:>8} {:>9} {:>8} {:>8}",
            "s", "measured", "stored", "1/s", "behind", "MiB", "CPU %"
        );
        let period = (size.time / 20).clamp(Duration::from_secs(3), Duration::from_secs(30));
        let (told_at, ticks) = (Duration::ZERO, (None, 0));
        Self { begun: Instant::now(), period, told_at, stored: 0, ticks, most_memory: 0 }
    }

    /// Looks until the time `until`, counted from the beginning.
    pub(crate) fn watch(&mut self, scene: &Scene, until: Duration) {
        while self.begun.elapsed() < until {
            self.look(scene);
            std::thread::park_timeout(LOOK.min(until.saturating_sub(self.begun.elapsed())));
        }
    }

    /// Looks until nothing new has come for a while.
    pub(crate) fn watch_until_quiet(&mut self, scene: &Scene) {
        let (mut rows, mut since) = (scene.rows(), Instant::now());
        while since.elapsed() < QUIET {
            self.look(scene);
            std::thread::park_timeout(LOOK);
            let now = scene.rows();
            if now > rows {
                (rows, since) = (now, Instant::now());
            }
        }
    }

    /// Tells of something that happens.
    pub(crate) fn note(&self, what: &str) {
        println!("{:>6.1} -- {what}", self.begun.elapsed().as_secs_f64());
    }

    /// The most bytes of memory that a manager had.
    pub(crate) fn most_memory(&self) -> u64 {
        self.most_memory
    }

    fn look(&mut self, scene: &Scene) {
        let Some(pid) = scene.manager_pid() else { return };
        let memory = |name| status_kib(pid, name).unwrap_or_default() << 10;
        self.most_memory = self.most_memory.max(memory("VmHWM:"));
        let (at, passed) = (self.begun.elapsed(), self.begun.elapsed().saturating_sub(self.told_at));
        if passed < self.period {
            return;
        }
        let (measured, stored, used) = (scene.measured(), scene.rows(), cpu_ticks(pid).unwrap_or_default());
        let before = if self.ticks.0 == Some(pid) { self.ticks.1 } else { 0 };
        println!(
            "{:>6.1} {measured:>10} {stored:>10} {:>8.0} {:>9} {:>8} {:>8.0}",
            at.as_secs_f64(),
            (stored - self.stored) as f64 / passed.as_secs_f64(),
            measured.saturating_sub(stored),
            memory("VmRSS:") >> 20,
            // A tick is a hundredth of a second on Linux.
            used.saturating_sub(before) as f64 / passed.as_secs_f64(),
        );
        (self.told_at, self.stored, self.ticks) = (at, stored, (Some(pid), used));
    }
}

fn status_kib(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse().ok())
}

fn cpu_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

const LOOK: Duration = Duration::from_millis(500);
const QUIET: Duration = Duration::from_secs(4);
