//! Pipes (JXTA): channels of messages between peers of a group. Each is one substream; its messages pass neither
//! the event loop nor a lock shared with other pipes. A slow reader slows its own senders and nobody else.

mod bidirectional;
mod byte_stream;
mod halves;
mod propagate;
mod resumable;
mod unicast;

pub use bidirectional::{BidiPipe, PipeListener};
pub use byte_stream::{PipeStream, StreamListener};
pub use halves::{PipeReceiver, PipeSender};
pub use propagate::{PropagatePipe, PropagateReceiver, PropagateSender, Propagated};
pub use resumable::{ResumableListener, ResumablePipe, ResumableReceiver, ResumableSender};
pub use unicast::{InputPipe, Message, OutputPipe};
