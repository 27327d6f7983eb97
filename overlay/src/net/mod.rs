//! The shell: the one place with sockets, tasks and clocks. It moves inputs to the rules in `core` and their
//! effects to libp2p.
#![expect(clippy::disallowed_methods, reason = "the shell reads the clock and starts the overlay's tasks")]

mod behaviour;
mod bindings;
mod cache_file;
mod closed;
mod command;
mod event_loop;
mod finding;
mod frame;
mod gate;
mod groups;
mod handle;
mod handshake;
mod lease;
mod membership;
mod pipe_stream;
mod propagate;
#[cfg(feature = "reach")]
mod reach;
mod resolver;
mod resumable;
mod session;
mod shared;
mod spawn;
mod subscription;
mod substream;
mod traffic;
mod transport;
mod waiting;

pub use resolver::{Answers, Queries, Query};

pub(crate) use bindings::Binding;
pub(crate) use command::Command;
pub(crate) use frame::{FrameStream, ReadFrames, WriteFrames};
pub use handle::ReachSteps;
pub(crate) use handle::{Deadline, Handle, within};
pub(crate) use handshake::connect_error;
pub(crate) use lease::{Way, push};
pub(crate) use pipe_stream::open_pipe;
pub(crate) use propagate::{Feeder, Hub, keep as keep_propagation};
pub(crate) use resumable::{ResumableEnd, open as open_resumable};
pub(crate) use spawn::{PeerConfig, spawn};
pub(crate) use subscription::Watching;
pub use substream::Substream;
pub(crate) use traffic::count;
