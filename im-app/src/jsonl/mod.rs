//! JSON Lines: commands of programs in, replies and events out, one object a line. What a line says is public interface.

mod command;
mod event;
mod time;

pub use command::{BadLine, Request, oversize, parse_line};
pub use event::{event_line, reply_line};
pub use time::{parse_time, rfc3339};
