//! `im demo`: a rendezvous, some people who chat, and a manager who sees their presence latency, on this machine.
//!
//! Everything is real: each person is an `im` process of its own with its own identity and database, all talk over
//! loopback TCP, and the manager collects each PING/PONG over the overlay itself.

mod error;
mod measurements;
pub mod net;
mod options;
mod scene;
mod script;

pub use error::DemoError;
pub use options::DemoOptions;
