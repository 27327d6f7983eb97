//! Opening a link, from both ends: hello one way, welcome the other.

use std::sync::Arc;
use std::time::Instant;

use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use futures::io::AsyncWriteExt;

use super::super::command::Command;
use super::super::frame::FrameStream;
use super::super::handle::Handle;
use super::super::handshake::connect_error;
use super::super::pipe_stream::open_error;
use super::super::shared::Shared;
use super::super::substream::{Inbound, OpenRequest, PROPAGATE, Substream};
use super::super::traffic::count;
use super::hub::{Hub, Joined};
use crate::error::{ConnectError, RecvError};
use crate::limits::{OPEN_TIMEOUT, PIPE_READ_BYTES, PROPAGATE_FRAME_BYTES_MAX, PROPAGATE_HELLO_BYTES_MAX};
use crate::meters::Frames;
use crate::protocol::pipe::Acceptance;
use crate::protocol::propagate::{Hello, Position, Welcome};

/// Opens a link to `peer`: the substream, and how far the other side is.
///
/// # Errors
/// [`ConnectError`].
pub(super) async fn open(
    handle: Handle,
    hub: Arc<Hub>,
    closed_group: bool,
    peer: PeerId,
    addresses: Vec<Multiaddr>,
) -> Result<(Substream, Vec<Position>), ConnectError> {
    let opening = async {
        let session = match handle.session(peer, addresses).await {
            Err(ConnectError::Unreachable { .. }) => handle.reach_session(peer).await?,
            other => other?,
        };
        if closed_group {
            handle.prove(peer, &session, hub.scope.group).await.map_err(connect_error)?;
        }
        match greet(&handle, &hub, peer).await {
            // The other side may have forgotten, having left and come back.
            Err(ConnectError::NoSuchPipe) if closed_group => {
                handle.prove_again(peer, &session, hub.scope.group).await.map_err(connect_error)?;
                greet(&handle, &hub, peer).await
            }
            other => other,
        }
    };
    let timed_out = Err(ConnectError::TimedOut { after: OPEN_TIMEOUT });
    tokio::time::timeout(OPEN_TIMEOUT, Box::pin(opening)).await.unwrap_or(timed_out)
}

async fn greet(handle: &Handle, hub: &Hub, peer: PeerId) -> Result<(Substream, Vec<Position>), ConnectError> {
    let (reply, opened) = oneshot::channel();
    let request = OpenRequest { protocol: PROPAGATE, reply };
    handle.commands.send(Command::Open { peer, request }).await.map_err(|_| ConnectError::Closed)?;
    let mut stream = opened.await.map_err(|_| ConnectError::Closed)?.map_err(open_error)?;
    let (epoch, next, positions) = hub.state().hello();
    let addresses = handle.shared.addresses.read().clone();
    let hello = Hello { scope: hub.scope, epoch, next, addresses, positions };
    let hello = hello.encode().map_err(|_| ConnectError::Closed)?;
    let written = async {
        stream.write_all(&hello).await?;
        stream.flush().await
    };
    written.await.map_err(|_| ConnectError::Closed)?;
    let mut frames = FrameStream::new(stream, PROPAGATE_HELLO_BYTES_MAX, PIPE_READ_BYTES);
    let welcome = match frames.recv().await {
        Ok(Some(bytes)) => Welcome::decode(&bytes).map_err(|_| ConnectError::Closed)?,
        _ => return Err(ConnectError::Closed),
    };
    welcome.acceptance.into_result()?;
    let guard = handle.shared.admit_pipe(&peer, &hub.scope.group).map_err(|()| ConnectError::Refused)?;
    frames.io.guard(guard);
    Ok((frames.io, welcome.positions))
}

/// Reads the hello of a link that another peer opens, and passes it to who keeps the pipe.
pub(crate) async fn negotiate(inbound: Inbound, shared: Arc<Shared>) {
    let mut frames = FrameStream::new(inbound.stream, PROPAGATE_HELLO_BYTES_MAX, PIPE_READ_BYTES);
    let hello = match tokio::time::timeout(OPEN_TIMEOUT, frames.recv()).await {
        Err(_) | Ok(Ok(None) | Err(RecvError::Reset)) => return shared.meters.pipe_timeouts.add(1),
        Ok(Ok(Some(bytes))) => Hello::decode(&bytes),
        Ok(Err(RecvError::Garbage(error))) => Err(error),
    };
    let hello = match hello {
        Ok(hello) => hello,
        Err(error) => {
            tracing::debug!(peer = %inbound.peer, reason = %error, "garbage on a propagate pipe");
            return shared.meters.propagate_garbage.add(1);
        }
    };
    // An unknown group, one that the opener has not proven a place in, and an unknown pipe read the same.
    let bound = shared.propagations.of(&hello.scope);
    let guarded = |hub| shared.admit_pipe(&inbound.peer, &hello.scope.group).ok().map(|guard| (hub, guard));
    let Some((hub, guard)) = bound.and_then(guarded) else {
        shared.meters.propagate_refused.add(1);
        return answer(frames, Acceptance::NoSuchPipe).await;
    };
    let Ok(permit) = hub.joining.try_reserve() else {
        shared.meters.pipes_busy.add(1);
        return answer(frames, Acceptance::Busy).await;
    };
    let at = (hello.epoch, hello.next);
    let positions = hub.state().on_hello(Instant::now(), inbound.peer, at, &hello.positions);
    let Ok(welcome) = (Welcome { acceptance: Acceptance::Ok, positions }).encode() else { return };
    frames.io.guard(guard);
    if !say(&mut frames, &welcome).await {
        return;
    }
    frames.reads.grow(PROPAGATE_FRAME_BYTES_MAX, PIPE_READ_BYTES);
    count(&mut frames, hub.traffic.clone(), Frames::Links);
    permit.send(Joined { peer: inbound.peer, addresses: hello.addresses, frames });
}

/// Tells the opener of a link that it opens too many at once.
pub(crate) async fn refuse_busy(inbound: Inbound, shared: Arc<Shared>) {
    shared.meters.pipes_busy.add(1);
    answer(FrameStream::new(inbound.stream, PROPAGATE_HELLO_BYTES_MAX, 1), Acceptance::Busy).await;
}

async fn answer(mut frames: FrameStream<Substream>, acceptance: Acceptance) {
    let Ok(welcome) = (Welcome { acceptance, positions: Vec::new() }).encode() else { return };
    if say(&mut frames, &welcome).await {
        // The opener may be gone; then nobody is left to be told.
        let _ = tokio::time::timeout(OPEN_TIMEOUT, frames.io.close()).await;
    }
}

async fn say(frames: &mut FrameStream<Substream>, bytes: &[u8]) -> bool {
    let saying = async {
        frames.io.write_all(bytes).await?;
        frames.io.flush().await
    };
    matches!(tokio::time::timeout(OPEN_TIMEOUT, saying).await, Ok(Ok(())))
}
