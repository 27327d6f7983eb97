//! Questions and their answerers (JXTA resolver protocol).

use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;

use super::Peer;
use crate::error::{AlreadyRegistered, QueryError};
use crate::id::GroupId;
use crate::net::{Answers, Deadline, Queries};

impl Peer {
    /// Registers a handler for questions of the resolver (JXTA), of all groups where
    /// [`PeerGroup::serve`](crate::PeerGroup::serve) has not registered the same name.
    ///
    /// # Errors
    /// [`AlreadyRegistered`], also for a name beyond
    /// [`HANDLER_NAME_BYTES_MAX`](crate::limits::HANDLER_NAME_BYTES_MAX).
    pub fn register_handler(&self, name: &str) -> Result<Queries, AlreadyRegistered> {
        Queries::register(self.handle.shared.clone(), None, name)
    }

    /// Asks the handler `name` of the peer `to`, in a group that both are in. Needs no substream of its own: the
    /// session carries question and answer. Cancel-safe: dropping the future cancels the question there too.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn query(
        &self,
        to: PeerId,
        group: &GroupId,
        name: &str,
        body: impl Into<Bytes>,
        deadline: Duration,
    ) -> Result<Bytes, QueryError> {
        let deadline = Deadline::after(deadline);
        self.handle.ask_within(deadline, to, *group, name, body.into()).await
    }

    /// As [`query`](Self::query), for as many answers as the handler gives: they come in its order, and one that is
    /// not read makes the handler wait, not the session. What is larger than a session frame travels so, in pieces.
    ///
    /// The stream asks when it is first polled; `deadline` counts from now, and is for all answers.
    pub fn query_stream(
        &self,
        to: PeerId,
        group: &GroupId,
        name: &str,
        body: impl Into<Bytes>,
        deadline: Duration,
    ) -> Answers {
        self.handle.shared.meters.queries_out.add(1);
        Answers::new(self.handle.clone(), to, *group, name, body.into(), deadline)
    }
}
