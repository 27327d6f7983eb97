//! An instant messenger after RFC 2778 on the overlay: a buddy list, the paper's presence service (each peer is presence
//! service, watcher and presentity; paper §3.2) and messages that arrive once and in order.

pub mod buddy;
pub mod cli;
pub mod demo;
pub mod error;
pub mod face;
pub mod invite;
pub mod jsonl;
pub mod limits;
pub mod message;
pub mod messenger;
pub mod net;
pub mod presence;
pub mod status;
pub mod store;
mod text;
pub mod wire;
