//! The stage of the demo: processes, sockets, clocks.
#![expect(clippy::disallowed_methods, reason = "the stage starts processes and tasks, and reads the clock")]

mod person;
mod stage;

pub use stage::run;
