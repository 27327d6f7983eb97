//! The shell: the messenger's task, a task for each pipe, two threads for the database, and what faces hold.
//!
//! Here clocks are read and tasks start; every rule is in `messenger`.
#![expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clocks and starts the tasks that the pure modules must not"
)]

mod actor;
mod disk;
mod face;
mod link;
mod manage;
mod messenger;
mod outlet;
mod pinger;

pub use face::{Ended, Face, FaceCommands, FaceOutputs, Output};
pub use messenger::{MeetError, Messenger, Settings};

#[cfg(test)]
mod tests;
