//! An instant messenger after RFC 2778 on the overlay: a buddy list, the paper's presence service (each peer is presence
//! service, watcher and presentity; paper §3.2) and messages that arrive once and in order.

pub mod buddy;
pub mod error;
pub mod invite;
pub mod limits;
pub mod status;
mod text;
pub mod wire;
