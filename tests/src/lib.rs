//! What the journeys and the benchmarks stand on: the real programs as child processes.
//!
//! In: the name of a program, its arguments, commands as JSON lines. Out: its events, its exit code, its words on
//! stderr. Everything happens below one temporary home directory and on loopback; what is started is killed on drop.
//! Each wait is for something to happen, with a deadline of [`PATIENCE`] that only a failure reaches.

mod binaries;
mod cast;
mod home;
mod process;
mod scale;
mod transcript;

pub use binaries::binary;
pub use cast::{Meeting, Messenger, befriend, loopback};
pub use home::Home;
pub use process::{Exit, PATIENCE, Process, Program, Signal};
pub use scale::scaled;
pub use transcript::Transcript;

/// The Rust of the README, compiled and run as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub mod readme {}
