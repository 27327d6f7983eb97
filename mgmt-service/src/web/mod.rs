//! What a manager shows over HTTP, without the HTTP: the state of the dashboard, metrics, who may enter.
//!
//! Pure: no clock, no socket, no task. The server is in `net::http`.

mod alarms;
mod board;
mod doors;
mod exposition;
mod hearing;
mod jolokia;
mod labels;
mod metrics;
mod otlp;
mod outlook;
mod pseudonym;
mod trace;

pub use alarms::{Alarm, AlarmKind, Alarms};
pub use board::{Board, Loss};
pub use doors::{Doors, Entry, is_loopback_name, is_same_origin};
pub use exposition::Exposition;
pub use jolokia::{
    JolokiaError, JolokiaRequest, Operation, Wanted, answer, listing, names, reading, version,
};
pub use metrics::{ManagerGauges, Metrics};
pub use otlp::Otlp;
pub use outlook::Outlook;
pub use pseudonym::Pseudonyms;
pub use trace::Trace;
