//! Our own behaviour for substreams: opens in parallel with a deadline each, a bounded accept queue that answers
//! *busy* instead of dropping, everything counted.

mod behaviour;
mod handler;
mod stream;
mod upgrade;

pub(crate) use behaviour::{Behaviour, Happened};
pub(crate) use handler::{Inbound, OpenError, OpenRequest};
pub use stream::Substream;
pub(crate) use stream::{Fuse, Guard};

use libp2p::StreamProtocol;

/// One long-lived stream per connection: greeting, queries, answers.
pub(crate) const SESSION: StreamProtocol = StreamProtocol::new("/juxta/session/1");
/// One substream per member and direction of a propagate pipe.
pub(crate) const PROPAGATE: StreamProtocol = StreamProtocol::new("/juxta/propagate/1");
/// One substream per pipe connection.
pub(crate) const PIPE: StreamProtocol = StreamProtocol::new("/juxta/pipe/1");
