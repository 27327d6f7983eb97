//! What the benchmarks share: paired rounds, medians, a table for people and a JSON line for scripts.

use std::time::{Duration, Instant};

/// How long a benchmark runs: `-- --quick` ends within a minute.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Paired rounds, at least twelve.
    pub rounds: usize,
    /// Time of one measurement within a round.
    pub slice: Duration,
}

impl Plan {
    /// From the command line; prints the header.
    #[must_use]
    pub fn from_args(name: &str) -> Self {
        let quick = std::env::args().any(|arg| arg == "--quick");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load: Vec<_> = load.split(' ').take(3).collect();
        println!(
            "{name}: {cores} cores, load {}, juxta {}, libp2p 0.57.1, {} rounds{}",
            load.join(" "),
            env!("CARGO_PKG_VERSION"),
            if quick { 12 } else { 30 },
            if cfg!(debug_assertions) { ", DEBUG BUILD: figures mean nothing" } else { "" },
        );
        println!("{:<38} {:>12} {:>14} {:>8}   A/A", "figure", "value", "reference", "ratio");
        if quick {
            Self { rounds: 12, slice: Duration::from_millis(150) }
        } else {
            Self { rounds: 30, slice: Duration::from_millis(400) }
        }
    }
}

/// One figure, gathered round by round.
#[derive(Debug)]
pub struct Figure {
    name: &'static str,
    unit: &'static str,
    reference: Option<&'static str>,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    again: Vec<f64>,
}

impl Figure {
    /// A figure beside a reference.
    #[must_use]
    pub fn beside(name: &'static str, unit: &'static str, reference: &'static str) -> Self {
        Self { reference: Some(reference), ..Self::alone(name, unit) }
    }

    /// A figure without reference.
    #[must_use]
    pub fn alone(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, reference: None, ours: Vec::new(), theirs: Vec::new(), again: Vec::new() }
    }

    /// One round: ours, the reference, and the same reference again.
    pub fn round(&mut self, ours: f64, theirs: f64, again: f64) {
        self.ours.push(ours);
        self.theirs.push(theirs);
        self.again.push(again);
    }

    /// One measurement of a figure without reference.
    pub fn measured(&mut self, ours: f64) {
        self.ours.push(ours);
    }

    /// A line for people, then one for scripts.
    pub fn print(&self) {
        let value = median(&self.ours);
        let Some(reference) = self.reference else {
            println!("{:<38} {:>9.2} {:<3}", self.name, value, self.unit);
            println!(
                "{}",
                serde_json::json!({"figure": self.name, "value": round(value), "unit": self.unit})
            );
            return;
        };
        let pairs = |over: &[f64]| over.iter().zip(&self.theirs).map(|(a, b)| a / b).collect::<Vec<_>>();
        let (theirs, ratio, same) =
            (median(&self.theirs), median(&pairs(&self.ours)), median(&pairs(&self.again)));
        let (name, unit) = (self.name, self.unit);
        println!("{name:<38} {value:>9.2} {unit:<6} {theirs:>9.2} {ratio:>8.2}   {same:.2}");
        let line = serde_json::json!({
            "figure": name, "value": round(value), "unit": unit,
            "reference": reference, "reference_value": round(theirs), "ratio": round(ratio),
        });
        println!("{line}");
    }
}

/// The median, 0 of nothing.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which the share `q` of `values` lies, 0 of nothing.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * q).round() as usize).copied().unwrap_or_default()
}

/// Whether this figure is to be measured: `-- --only rtt` chooses by a part of the name.
#[must_use]
pub fn wanted(name: &str) -> bool {
    let mut args = std::env::args().skip_while(|arg| arg != "--only").skip(1);
    args.next().is_none_or(|part| name.contains(&part))
}

/// Microseconds since `start`.
#[must_use]
pub fn micros_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
