//! Talking to a rendezvous: lease, farewell, pushing and looking up advertisements.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::closed::Host;
use super::session::SessionHandle;
use super::shared::Shared;
use super::substream::OpenError;
use crate::error::QueryError;
use crate::id::GroupId;
use crate::limits::{FAREWELL_TIMEOUT, LEASE_REQUEST_TIMEOUT, LEASE_WANTED};
use crate::protocol::closed;
use crate::protocol::discovery::{self, DiscoveryRequest, PublishAnswer};
use crate::protocol::rendezvous::{self, LeaseGrant, RendezvousRequest};

/// Asks for a lease over the session that `session` will bring, for a peer whose publications begin with the sequence
/// `since`; the grant, or why not.
pub(crate) async fn request(
    session: oneshot::Receiver<Result<SessionHandle, OpenError>>,
    since: u64,
) -> Result<LeaseGrant, String> {
    let asking = async {
        let session = session.await.map_err(|_| "the peer has ended".to_owned())?;
        let session = session.map_err(|error| match error {
            OpenError::Unreachable(reason) => reason,
            #[cfg(feature = "reach")]
            OpenError::Relay(error) => error.to_string(),
            OpenError::TimedOut => "no session in time".to_owned(),
            OpenError::Closed => "it speaks another protocol".to_owned(),
            OpenError::Busy => "too many dials wait".to_owned(),
        })?;
        let request = RendezvousRequest::Lease { wanted: LEASE_WANTED, since };
        let body = request.encode().map_err(|error| error.to_string())?;
        let answer = session.ask(GroupId::net(), rendezvous::HANDLER, body.into()).await;
        LeaseGrant::decode(&answer.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
    };
    let timed_out = || Err(format!("no answer within {LEASE_REQUEST_TIMEOUT:?}"));
    tokio::time::timeout(LEASE_REQUEST_TIMEOUT, asking).await.unwrap_or_else(|_| timed_out())
}

/// Tells a rendezvous that this peer leaves; waits for its answer, but not for long.
pub(crate) async fn farewell(session: SessionHandle) {
    let Ok(body) = RendezvousRequest::Cancel.encode() else { return };
    let asking = session.ask(GroupId::net(), rendezvous::HANDLER, body.into());
    // A rendezvous that is gone needs no farewell.
    let _ = tokio::time::timeout(FAREWELL_TIMEOUT, asking).await;
}

/// How advertisements of a group travel to a rendezvous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// For everybody to find.
    Open,
    /// For the members of this closed group, in which the publisher proves its place first.
    Closed(GroupId),
}

impl Way {
    /// Who answers for it at a rendezvous.
    pub(super) fn handler(self) -> &'static str {
        match self {
            Self::Open => discovery::HANDLER,
            Self::Closed(_) => closed::HANDLER,
        }
    }
}

/// Pushes advertisements in as few requests as hold them; what is not taken is counted.
///
/// # Errors
/// The first [`QueryError`]; then what follows was not pushed.
pub(crate) async fn push(
    shared: &Shared,
    session: &SessionHandle,
    way: Way,
    advertisements: &[Bytes],
) -> Result<PublishAnswer, QueryError> {
    let host = Host::Leased(session.clone());
    let mut total = PublishAnswer { accepted: 0, refused: 0 };
    for request in DiscoveryRequest::publications(advertisements) {
        let body = request.encode().map_err(|_| QueryError::Failed)?;
        let answer = host.ask(shared, way, body.into()).await?;
        let answer = PublishAnswer::decode(&answer).map_err(|_| QueryError::Failed)?;
        shared.meters.publications_failed.add(u64::from(answer.refused));
        total.accepted = total.accepted.saturating_add(answer.accepted);
        total.refused = total.refused.saturating_add(answer.refused);
    }
    Ok(total)
}
