//! Questions and their answerers (JXTA resolver protocol).

use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;

use super::Peer;
use crate::error::{AlreadyRegistered, QueryError};
use crate::id::GroupId;
use crate::net::Queries;

impl Peer {
    /// Registers a handler for questions of the resolver (JXTA).
    ///
    /// # Errors
    /// [`AlreadyRegistered`], also for a name beyond
    /// [`HANDLER_NAME_BYTES_MAX`](crate::limits::HANDLER_NAME_BYTES_MAX).
    pub fn register_handler(&self, name: &str) -> Result<Queries, AlreadyRegistered> {
        Queries::register(self.handle.shared.clone(), name)
    }

    /// Asks the handler `name` of the peer `to`, in a group that both are in. Needs no substream of its own: the
    /// session carries question and answer. Cancel-safe.
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
        self.handle.shared.meters.queries_out.add(1);
        let asking = self.handle.ask(to, *group, name, body.into());
        tokio::time::timeout(deadline, asking).await.unwrap_or(Err(QueryError::TimedOut { after: deadline }))
    }
}
