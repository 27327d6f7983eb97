//! The part of the substream behaviour that lives with one connection.
//!
//! In: requests to open, substreams from the remote. Out: substreams, handed to the task that asked or to the
//! acceptor. When the acceptor's queue is full, the opener of a pipe is told *busy*.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, ConnectionId, Stream, StreamUpgradeError, SubstreamProtocol,
};
use libp2p::{PeerId, StreamProtocol};
use tokio::sync::{mpsc, oneshot};

use super::stream::{Fuse, Substream};
use super::upgrade::Protocols;
use super::{PIPE, PROPAGATE, SESSION};
#[cfg(feature = "reach")]
use crate::error::RelayError;
use crate::limits::{OPEN_TIMEOUT, PIPE_HEADER_BYTES_MAX, REFUSALS_MAX, SUBSTREAMS_PER_CONNECTION_MAX};
use crate::meters::{Link, Meters};
use crate::net::frame::FrameStream;
use crate::protocol::pipe::Acceptance;

/// Open a substream and give it to who waits at `reply`.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    pub(crate) protocol: StreamProtocol,
    pub(crate) reply: oneshot::Sender<Result<Substream, OpenError>>,
}

/// Why a substream was not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The peer can't be reached; what the dials ended in.
    Unreachable(String),
    /// Only relays lead to the peer, and the last one tried gave no circuit.
    #[cfg(feature = "reach")]
    Relay(RelayError),
    /// Not in time.
    TimedOut,
    /// The remote doesn't speak the protocol, or the connection closed.
    Closed,
    /// Too many opens wait for the same peer.
    Busy,
}

/// A substream that the remote opened.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    pub(crate) protocol: StreamProtocol,
    pub(crate) stream: Substream,
}

/// Handles the substreams of one connection.
#[derive(Debug)]
pub(crate) struct Handler {
    peer: PeerId,
    connection: ConnectionId,
    wanted: VecDeque<OpenRequest>,
    opening: usize,
    /// One per substream, dropped with this handler: see [`Substream`].
    alive: Vec<Fuse>,
    accept: mpsc::Sender<Inbound>,
    refusals: FuturesUnordered<BoxFuture<'static, ()>>,
    meters: Arc<Meters>,
    link: Arc<Link>,
}

impl Handler {
    pub(crate) fn new(
        peer: PeerId,
        connection: ConnectionId,
        accept: mpsc::Sender<Inbound>,
        meters: Arc<Meters>,
        relayed: bool,
    ) -> Self {
        let (wanted, refusals) = (VecDeque::new(), FuturesUnordered::new());
        let link = Arc::new(Link::new(meters.clone(), relayed));
        Self { peer, connection, wanted, opening: 0, alive: Vec::new(), accept, refusals, meters, link }
    }

    /// Lets `stream` hear of the end of this connection. Signals of streams that are gone are swept when their
    /// number has doubled.
    fn bind(&mut self, stream: Stream) -> Substream {
        if self.alive.len() == self.alive.capacity() {
            self.alive.retain(Fuse::is_live);
        }
        let (substream, alive) = Substream::new(stream, self.link.clone());
        self.alive.push(alive);
        substream
    }

    /// Whether the connection has as many substreams as it may.
    fn is_full(&mut self) -> bool {
        if self.alive.len() + self.opening >= SUBSTREAMS_PER_CONNECTION_MAX {
            self.alive.retain(Fuse::is_live);
        }
        self.alive.len() + self.opening >= SUBSTREAMS_PER_CONNECTION_MAX
    }

    fn accept(&mut self, stream: Stream, protocol: StreamProtocol) {
        self.meters.substreams_in.add(1);
        let full = self.is_full();
        let (stream, peer, connection) = (self.bind(stream), self.peer, self.connection);
        let inbound = Inbound { peer, connection, protocol, stream };
        if full {
            return self.refuse(inbound);
        }
        match self.accept.try_send(inbound) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(inbound) | mpsc::error::TrySendError::Closed(inbound)) => {
                self.refuse(inbound);
            }
        }
    }

    /// Tells the opener of a pipe *busy*; any other substream, or one too many, is reset and counted.
    fn refuse(&mut self, inbound: Inbound) {
        if inbound.protocol == PIPE && self.refusals.len() < REFUSALS_MAX {
            self.meters.pipes_busy.add(1);
            self.refusals.push(Box::pin(say_busy(inbound.stream)));
        } else {
            self.meters.inbound_overflow.add(1);
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = OpenRequest;
    type ToBehaviour = std::convert::Infallible;
    type InboundProtocol = Protocols;
    type OutboundProtocol = Protocols;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = OpenRequest;

    fn listen_protocol(&self) -> SubstreamProtocol<Protocols, ()> {
        SubstreamProtocol::new(Protocols(vec![SESSION, PIPE, PROPAGATE]), ()).with_timeout(OPEN_TIMEOUT)
    }

    fn connection_keep_alive(&self) -> bool {
        self.opening > 0 || !self.wanted.is_empty() || !self.refusals.is_empty()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Protocols, OpenRequest, std::convert::Infallible>> {
        while let Poll::Ready(Some(())) = self.refusals.poll_next_unpin(cx) {}
        while let Some(request) = self.wanted.pop_front() {
            if request.reply.is_closed() {
                continue;
            }
            if self.is_full() {
                self.meters.substreams_failed.add(1);
                let _ = request.reply.send(Err(OpenError::Busy));
                continue;
            }
            self.opening += 1;
            let upgrade = Protocols(vec![request.protocol.clone()]);
            let protocol = SubstreamProtocol::new(upgrade, request).with_timeout(OPEN_TIMEOUT);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, request: OpenRequest) {
        self.wanted.push_back(request);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Protocols, Protocols, (), OpenRequest>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol),
                ..
            }) => self.accept(stream, protocol),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                self.opening -= 1;
                self.meters.substreams_out.add(1);
                // An asker that has gone away drops the stream, which resets it.
                let stream = self.bind(protocol);
                let _ = info.reply.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                self.opening -= 1;
                self.meters.substreams_failed.add(1);
                let error = match error {
                    StreamUpgradeError::Timeout => OpenError::TimedOut,
                    _ => OpenError::Closed,
                };
                let _ = info.reply.send(Err(error));
            }
            _ => {}
        }
    }
}

/// Tells the opener of a pipe that there is no room now.
async fn say_busy(stream: Substream) {
    let mut frames = FrameStream::new(stream, PIPE_HEADER_BYTES_MAX, 1);
    let Ok(acceptance) = Acceptance::Busy.encode() else { return };
    if frames.writes.put(&acceptance.into(), PIPE_HEADER_BYTES_MAX).is_ok() {
        let _ = frames.close().await;
    }
}
