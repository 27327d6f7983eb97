//! Faces: how people and programs talk to the messenger. All of them are clients of one set of commands and events.

mod lines;
mod plain;
mod programs;
#[cfg(unix)]
mod socket;

pub use lines::{Line, Lines};
pub use plain::run_plain;
pub use programs::{AtEnd, run_jsonl};
#[cfg(unix)]
pub use socket::{SOCKET_FILE, serve_socket};
