//! The shell of a rendezvous: everything that reads a clock, opens a socket or starts a task.
#![expect(
    clippy::disallowed_methods,
    reason = "the shell reads the clock and starts tasks; the rules do neither"
)]

pub mod control;
pub mod http;
pub mod node;
pub mod server;
