//! Which pipes are bound here, and where their accepted substreams go.

use std::collections::HashMap;
use std::sync::Arc;

use libp2p::PeerId;
use tokio::sync::mpsc;

use super::frame::FrameStream;
use super::resumable::ResumableEnd;
use super::shared::{Shared, Table};
use super::substream::Substream;
use crate::error::BindError;
use crate::id::{GroupId, PipeId};
use crate::limits::{ACCEPT_QUEUE, BINDINGS_MAX};
use crate::protocol::pipe::PipeKind;

/// A pipe's substream whose opener was told *ok*.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) peer: PeerId,
    pub(crate) frames: FrameStream<Substream>,
}

/// The pipes bound at this peer.
#[derive(Debug, Default)]
pub(crate) struct Bindings(Table<HashMap<Key, Bound>>);

type Key = (GroupId, PipeId);

/// Where what was accepted goes: substreams, or pipes over many of them.
#[derive(Debug)]
enum Bound {
    Substreams { kind: PipeKind, accepted: mpsc::Sender<Accepted> },
    Resumable { accepted: mpsc::Sender<ResumableEnd> },
}

impl Bindings {
    /// Where substreams of this pipe go, if it is bound.
    pub(crate) fn of(&self, group: GroupId, pipe: PipeId, kind: PipeKind) -> Option<mpsc::Sender<Accepted>> {
        match self.0.read().get(&(group, pipe)) {
            Some(Bound::Substreams { kind: bound, accepted }) if *bound == kind => Some(accepted.clone()),
            _ => None,
        }
    }

    /// Where new resumable pipes go, if this one is bound.
    pub(crate) fn resumable(&self, group: GroupId, pipe: PipeId) -> Option<mpsc::Sender<ResumableEnd>> {
        match self.0.read().get(&(group, pipe)) {
            Some(Bound::Resumable { accepted }) => Some(accepted.clone()),
            _ => None,
        }
    }
}

/// A bound pipe; dropping it unbinds.
#[derive(Debug)]
pub(crate) struct Binding<T = Accepted> {
    key: Key,
    shared: Arc<Shared>,
    accepted: mpsc::Receiver<T>,
}

impl Binding {
    /// Binds `pipe` at this peer.
    ///
    /// # Errors
    /// [`BindError`].
    pub(crate) fn new(
        shared: Arc<Shared>,
        group: GroupId,
        pipe: PipeId,
        kind: PipeKind,
    ) -> Result<Self, BindError> {
        Self::bind(shared, (group, pipe), |accepted| Bound::Substreams { kind, accepted })
    }
}

impl Binding<ResumableEnd> {
    /// Binds the resumable `pipe` at this peer.
    ///
    /// # Errors
    /// [`BindError`].
    pub(crate) fn resumable(shared: Arc<Shared>, group: GroupId, pipe: PipeId) -> Result<Self, BindError> {
        Self::bind(shared, (group, pipe), |accepted| Bound::Resumable { accepted })
    }
}

impl<T> Binding<T> {
    fn bind(
        shared: Arc<Shared>,
        key: Key,
        bound: impl FnOnce(mpsc::Sender<T>) -> Bound,
    ) -> Result<Self, BindError> {
        let (sender, accepted) = mpsc::channel(ACCEPT_QUEUE);
        let mut table = shared.bindings.0.write();
        if table.contains_key(&key) {
            return Err(BindError::AlreadyBound);
        }
        if table.len() >= BINDINGS_MAX {
            return Err(BindError::Full { max: BINDINGS_MAX });
        }
        table.insert(key, bound(sender));
        drop(table);
        Ok(Self { key, shared, accepted })
    }

    /// The next that was accepted. Cancel-safe.
    pub(crate) fn poll_accept(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<T>> {
        self.accepted.poll_recv(cx)
    }
}

impl<T> Drop for Binding<T> {
    fn drop(&mut self) {
        self.shared.bindings.0.write().remove(&self.key);
    }
}
