//! Which pipes are bound here, and where their accepted substreams go.

use std::collections::HashMap;
use std::sync::Arc;

use libp2p::PeerId;
use tokio::sync::mpsc;

use super::frame::FrameStream;
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

#[derive(Debug)]
struct Bound {
    kind: PipeKind,
    accepted: mpsc::Sender<Accepted>,
}

impl Bindings {
    /// Where substreams of this pipe go, if it is bound.
    pub(crate) fn of(&self, group: GroupId, pipe: PipeId, kind: PipeKind) -> Option<mpsc::Sender<Accepted>> {
        let table = self.0.read();
        table.get(&(group, pipe)).filter(|bound| bound.kind == kind).map(|bound| bound.accepted.clone())
    }
}

/// A bound pipe; dropping it unbinds.
#[derive(Debug)]
pub(crate) struct Binding {
    key: Key,
    shared: Arc<Shared>,
    accepted: mpsc::Receiver<Accepted>,
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
        let (key, (sender, accepted)) = ((group, pipe), mpsc::channel(ACCEPT_QUEUE));
        let mut table = shared.bindings.0.write();
        if table.contains_key(&key) {
            return Err(BindError::AlreadyBound);
        }
        if table.len() >= BINDINGS_MAX {
            return Err(BindError::Full { max: BINDINGS_MAX });
        }
        table.insert(key, Bound { kind, accepted: sender });
        drop(table);
        Ok(Self { key, shared, accepted })
    }

    /// The next accepted substream. Cancel-safe.
    pub(crate) fn poll_accept(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Accepted>> {
        self.accepted.poll_recv(cx)
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        self.shared.bindings.0.write().remove(&self.key);
    }
}
