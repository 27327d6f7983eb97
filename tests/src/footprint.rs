//! What a running process takes, as the kernel counts it.

use std::fs;

/// Memory of a process that nobody else has and no file backs, in MiB.
///
/// # Panics
/// When the process has ended.
#[must_use]
pub fn anonymous_mib(pid: u32) -> f64 {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
    let line = smaps.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("the kernel says so");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

/// Threads of a process.
///
/// # Panics
/// When the process has ended.
#[must_use]
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs").count()
}
