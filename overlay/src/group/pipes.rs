//! The pipes of the group: bound by one peer, connected to by others (JXTA pipe binding protocol).

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use libp2p::PeerId;

use super::PeerGroup;
use crate::error::{BindError, ConnectError};
use crate::id::PipeId;
use crate::limits::OPEN_TIMEOUT;
use crate::meters::Frames;
use crate::net::{Binding, FrameStream, Substream, connect_error, count, open_pipe, open_resumable, within};
use crate::pipe::{
    BidiPipe, InputPipe, OutputPipe, PipeListener, PipeStream, ResumableListener, ResumablePipe,
    StreamListener,
};
use crate::protocol::pipe::{Header, PipeKind};

impl PeerGroup {
    /// Binds a unicast pipe at this peer: many senders, one receiver.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind_unicast(&self, pipe: PipeId) -> Result<InputPipe, BindError> {
        Binding::new(self.handle.shared.clone(), self.id, pipe, PipeKind::Unicast).map(InputPipe::new)
    }

    /// Connects to the unicast pipe that `to` binds. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`]; the deadline is [`OPEN_TIMEOUT`].
    pub async fn connect_unicast(&self, to: PeerId, pipe: PipeId) -> Result<OutputPipe, ConnectError> {
        let frames = self.open(to, pipe, PipeKind::Unicast, None, OPEN_TIMEOUT).await?;
        Ok(OutputPipe::new(to, frames))
    }

    /// Binds a bidirectional pipe at this peer; each that connects makes a [`BidiPipe`].
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(&self, pipe: PipeId) -> Result<PipeListener, BindError> {
        Binding::new(self.handle.shared.clone(), self.id, pipe, PipeKind::Bidirectional)
            .map(PipeListener::new)
    }

    /// Connects to the bidirectional pipe that `to` binds, reaching the peer if needed. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`]; the deadline is [`OPEN_TIMEOUT`].
    pub async fn connect(&self, to: PeerId, pipe: PipeId) -> Result<BidiPipe, ConnectError> {
        let frames = self.open(to, pipe, PipeKind::Bidirectional, None, OPEN_TIMEOUT).await?;
        Ok(BidiPipe::new(to, frames))
    }

    /// Like [`connect`](Self::connect) with a first message that rides with the open, and a deadline.
    ///
    /// # Errors
    /// [`ConnectError`]; then the message was not received.
    pub async fn connect_with(
        &self,
        to: PeerId,
        pipe: PipeId,
        first: Option<Bytes>,
        deadline: Duration,
    ) -> Result<BidiPipe, ConnectError> {
        let frames = self.open(to, pipe, PipeKind::Bidirectional, first, deadline).await?;
        Ok(BidiPipe::new(to, frames))
    }

    /// Binds a byte stream pipe at this peer; each that connects makes a [`PipeStream`].
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind_stream(&self, pipe: PipeId) -> Result<StreamListener, BindError> {
        Binding::new(self.handle.shared.clone(), self.id, pipe, PipeKind::Stream).map(StreamListener::new)
    }

    /// Connects to the byte stream pipe that `to` binds, reaching the peer if needed. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`]; the deadline is [`OPEN_TIMEOUT`].
    pub async fn connect_stream(&self, to: PeerId, pipe: PipeId) -> Result<PipeStream, ConnectError> {
        let frames = self.open(to, pipe, PipeKind::Stream, None, OPEN_TIMEOUT).await?;
        Ok(PipeStream::new(to, frames))
    }

    /// Binds a resumable pipe at this peer; each that connects makes a [`ResumablePipe`].
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind_resumable(&self, pipe: PipeId) -> Result<ResumableListener, BindError> {
        Binding::resumable(self.handle.shared.clone(), self.id, pipe).map(ResumableListener::new)
    }

    /// Connects to the resumable pipe that `to` binds, reaching the peer if needed, and again whenever the connection
    /// is lost, each time for up to `within` (the other side honours at most
    /// [`RESUME_WITHIN_MAX`](crate::limits::RESUME_WITHIN_MAX)). Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`] of the first connection; the deadline is [`OPEN_TIMEOUT`].
    pub async fn connect_resumable(
        &self,
        to: PeerId,
        pipe: PipeId,
        within: Duration,
    ) -> Result<ResumablePipe, ConnectError> {
        let group = self.clone();
        let reopen = move |hello| {
            let group = group.clone();
            async move { group.open(to, pipe, PipeKind::Resumable, Some(hello), OPEN_TIMEOUT).await }.boxed()
        };
        let traffic = self.handle.shared.traffics.of(&self.id);
        let opening = open_resumable(&self.handle, to, (within, Box::new(reopen)), traffic);
        opening.await.map(ResumablePipe::new)
    }

    async fn open(
        &self,
        to: PeerId,
        pipe: PipeId,
        kind: PipeKind,
        first: Option<Bytes>,
        deadline: Duration,
    ) -> Result<FrameStream<Substream>, ConnectError> {
        let opening = async {
            let session = self.handle.reach_session(to).await?;
            let header = Header { group: self.id, pipe, kind };
            let open = |first| open_pipe(&self.handle.commands, to, header.clone(), first, deadline);
            let mut frames = if self.is_closed() {
                let proven_before = self.handle.prove(to, &session, self.id).await.map_err(connect_error)?;
                match open(first.clone()).await {
                    // The other side may have forgotten, having left and come back.
                    Err(ConnectError::NoSuchPipe) if proven_before => {
                        self.handle.prove_again(to, &session, self.id).await.map_err(connect_error)?;
                        open(first.clone()).await?
                    }
                    opened => opened?,
                }
            } else {
                open(first.clone()).await?
            };
            if self.is_closed() {
                let guard = self.handle.shared.admit_pipe(&to, &self.id);
                frames.io.guard(guard.map_err(|()| ConnectError::Refused)?);
            }
            self.handle.shared.meters.pipes_out.add(1);
            let traffic = self.handle.shared.traffics.of(&self.id);
            if kind == PipeKind::Resumable {
                // The pipe counts what it carries; its links may do so again.
                count(&mut frames, traffic, Frames::Links);
            } else {
                count(&mut frames, traffic, Frames::Messages);
                // It went with the open, before there was a pipe to count it.
                first.iter().for_each(|first| frames.count_sent(first.len()));
            }
            Ok(frames)
        };
        within(deadline, opening).await
    }
}
