//! Opening a pipe's substream, from both ends: header one way, acceptance the other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use tokio::sync::{mpsc, oneshot};

use super::bindings::Accepted;
use super::command::Command;
use super::frame::FrameStream;
use super::resumable;
use super::shared::Shared;
use super::substream::{Inbound, OpenError, OpenRequest, PIPE, Substream};
use super::traffic::count;
use crate::core::Offence;
use crate::error::{ConnectError, RecvError, SendError};
use crate::limits::{OPEN_TIMEOUT, PIPE_HEADER_BYTES_MAX, PIPE_MESSAGE_BYTES_MAX, PIPE_READ_BYTES};
use crate::meters::Frames;
use crate::protocol::pipe::{Acceptance, Header, PipeKind};

/// Opens a pipe at a connected peer. `first` rides with the header, so that it costs no round trip of its own.
///
/// # Errors
/// [`ConnectError`].
pub(crate) async fn open_pipe(
    commands: &mpsc::Sender<Command>,
    peer: PeerId,
    header: Header,
    first: Option<Bytes>,
    deadline: Duration,
) -> Result<FrameStream<Substream>, ConnectError> {
    let opening = async {
        let (reply, opened) = oneshot::channel();
        let request = OpenRequest { protocol: PIPE, reply };
        commands.send(Command::Open { peer, request }).await.map_err(|_| ConnectError::Closed)?;
        let stream = opened.await.map_err(|_| ConnectError::Closed)?.map_err(open_error)?;
        let mut frames = FrameStream::new(stream, PIPE_HEADER_BYTES_MAX, PIPE_HEADER_BYTES_MAX);
        let header = header.encode().map_err(|_| ConnectError::Closed)?;
        frames.writes.put(&header.into(), PIPE_HEADER_BYTES_MAX).map_err(send_error)?;
        if let Some(first) = first {
            frames.writes.put(&first, PIPE_MESSAGE_BYTES_MAX).map_err(send_error)?;
        }
        frames.flush().await.map_err(send_error)?;
        let acceptance = match frames.recv().await {
            Ok(Some(bytes)) => Acceptance::decode(&bytes).map_err(|_| ConnectError::Closed)?,
            _ => return Err(ConnectError::Closed),
        };
        acceptance.into_result()?;
        frames.reads.grow(PIPE_MESSAGE_BYTES_MAX, PIPE_READ_BYTES);
        Ok(frames)
    };
    tokio::time::timeout(deadline, opening).await.unwrap_or(Err(ConnectError::TimedOut { after: deadline }))
}

/// Reads the header of a substream that another peer opened, and passes it to who binds the pipe.
pub(crate) async fn negotiate(inbound: Inbound, shared: Arc<Shared>) {
    let mut frames = FrameStream::new(inbound.stream, PIPE_HEADER_BYTES_MAX, PIPE_HEADER_BYTES_MAX);
    let header = match tokio::time::timeout(OPEN_TIMEOUT, frames.recv()).await {
        Err(_) => return shared.meters.pipe_timeouts.add(1),
        Ok(Ok(Some(bytes))) => Header::decode(&bytes),
        Ok(Ok(None) | Err(RecvError::Reset)) => return shared.meters.pipe_timeouts.add(1),
        Ok(Err(RecvError::Garbage(error))) => Err(error),
    };
    let header = match header {
        Ok(header) => header,
        Err(error) => {
            tracing::debug!(peer = %inbound.peer, reason = %error, "pipe garbage");
            shared.offends(inbound.peer, Offence::Garbage);
            return shared.meters.pipe_garbage.add(1);
        }
    };
    if header.kind == PipeKind::Resumable {
        return resumable::accept(frames, inbound.peer, header, shared).await;
    }
    // An unknown group, one that the opener has not proven a place in, and an unknown pipe read the same.
    let bound = shared.bindings.of(header.group, header.pipe, header.kind);
    let admitted = bound
        .and_then(|bound| shared.admit_pipe(&inbound.peer, &header.group).ok().map(|guard| (bound, guard)));
    let Some((bound, guard)) = admitted else {
        shared.meters.pipes_refused.add(1);
        if shared.offends(inbound.peer, Offence::RefusedPipe) {
            return;
        }
        return answer(&mut frames, Acceptance::NoSuchPipe).await;
    };
    frames.io.guard(guard);
    let Ok(permit) = bound.try_reserve() else {
        shared.meters.pipes_busy.add(1);
        return answer(&mut frames, Acceptance::Busy).await;
    };
    let Ok(ok) = Acceptance::Ok.encode() else { return };
    if frames.writes.put(&ok.into(), PIPE_HEADER_BYTES_MAX).is_err() || frames.flush().await.is_err() {
        return;
    }
    shared.meters.pipes_in.add(1);
    frames.reads.grow(PIPE_MESSAGE_BYTES_MAX, PIPE_READ_BYTES);
    count(&mut frames, shared.traffics.of(&header.group), Frames::Messages);
    permit.send(Accepted { peer: inbound.peer, frames });
}

/// Tells the opener of a pipe that it opens too many at once.
pub(crate) async fn refuse_busy(inbound: Inbound, shared: Arc<Shared>) {
    shared.meters.pipes_busy.add(1);
    answer(&mut FrameStream::new(inbound.stream, PIPE_HEADER_BYTES_MAX, 1), Acceptance::Busy).await;
}

/// Tells the opener that its substream carries nothing, and ends it.
pub(super) async fn answer(frames: &mut FrameStream<Substream>, acceptance: Acceptance) {
    let Ok(bytes) = acceptance.encode() else { return };
    if frames.writes.put(&bytes.into(), PIPE_HEADER_BYTES_MAX).is_ok() {
        // The opener may be gone; then nobody is left to be told.
        let _ = tokio::time::timeout(OPEN_TIMEOUT, frames.close()).await;
    }
}

/// What an opener is told of a substream that was not opened.
pub(crate) fn open_error(error: OpenError) -> ConnectError {
    match error {
        OpenError::Unreachable(reason) => ConnectError::Unreachable { reason },
        #[cfg(feature = "reach")]
        OpenError::Relay(error) => ConnectError::Relay(error),
        OpenError::TimedOut => ConnectError::TimedOut { after: OPEN_TIMEOUT },
        OpenError::Closed => ConnectError::Closed,
        OpenError::Busy => ConnectError::Busy,
    }
}

fn send_error(error: SendError) -> ConnectError {
    match error {
        SendError::TooLarge { len, max } => ConnectError::TooLarge { len, max },
        _ => ConnectError::Closed,
    }
}
