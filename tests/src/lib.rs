//! What the journeys and the benchmarks stand on: the real programs as child processes.
//!
//! In: the name of a program, its arguments, commands as JSON lines. Out: its events, its exit code, its words on
//! stderr. Everything happens below one temporary home directory and on loopback; what is started is killed on drop.
//! Each wait is for something to happen, with a deadline of [`PATIENCE`] that only a failure reaches.

mod bare;
pub mod bench;
mod binaries;
mod cast;
pub mod decoders;
mod delay;
mod faults;
pub mod footprint;
mod home;
mod http;
pub mod liar;
mod port;
mod process;
mod random;
mod scale;
mod served;
mod transcript;
mod unrest;

pub use bare::Bare;
pub use binaries::{binary, example};
pub use cast::{Meeting, Messenger, befriend, loopback};
pub use delay::DelayedLink;
pub use faults::{FaultyLink, SilentPort};
pub use home::Home;
pub use http::{HttpAnswer, http};
pub use port::lasting_port;
pub use process::{Exit, PATIENCE, Process, Program, Signal};
pub use random::Random;
pub use scale::scaled;
pub use served::{Couple, Served};
pub use transcript::Transcript;
pub use unrest::Unrest;
