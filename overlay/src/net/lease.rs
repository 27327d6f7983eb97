//! Talking to a rendezvous: lease, farewell, pushing and looking up advertisements.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::session::SessionHandle;
use super::substream::OpenError;
use crate::advertisement::{DiscoveryQuery, SignedAdvertisement};
use crate::error::QueryError;
use crate::id::GroupId;
use crate::limits::{
    DISCOVERY_BYTES_MAX, FAREWELL_TIMEOUT, LEASE_REQUEST_TIMEOUT, LEASE_WANTED, PUBLISH_BATCH_MAX,
};
use crate::meters::Meters;
use crate::protocol::discovery::{self, DiscoveryRequest, FindAnswer, PublishAnswer};
use crate::protocol::rendezvous::{self, LeaseGrant, RendezvousRequest};

/// Asks for a lease over the session that `session` will bring; the time it was granted for, or why not.
pub(crate) async fn request(
    session: oneshot::Receiver<Result<SessionHandle, OpenError>>,
) -> Result<Duration, String> {
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
        let body =
            RendezvousRequest::Lease { wanted: LEASE_WANTED }.encode().map_err(|error| error.to_string())?;
        let answer = session.ask(GroupId::net(), rendezvous::HANDLER, body.into()).await;
        let grant = LeaseGrant::decode(&answer.map_err(|error| error.to_string())?);
        grant.map(|grant| grant.ttl).map_err(|error| error.to_string())
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

/// Pushes advertisements in as few requests as hold them; what is not taken is counted.
///
/// # Errors
/// The first [`QueryError`]; then what follows was not pushed.
pub(crate) async fn push(
    session: &SessionHandle,
    advertisements: &[Bytes],
    meters: &Meters,
) -> Result<PublishAnswer, QueryError> {
    let mut total = PublishAnswer { accepted: 0, refused: 0 };
    for batch in batches(advertisements) {
        let request = DiscoveryRequest::Publish { advertisements: batch.to_vec() };
        let body = request.encode().map_err(|_| QueryError::Failed)?;
        let answer = session.ask(GroupId::net(), discovery::HANDLER, body.into()).await?;
        let answer = PublishAnswer::decode(&answer).map_err(|_| QueryError::Failed)?;
        meters.publications_failed.add(u64::from(answer.refused));
        total.accepted = total.accepted.saturating_add(answer.accepted);
        total.refused = total.refused.saturating_add(answer.refused);
    }
    Ok(total)
}

/// The question that a rendezvous answers with what matches `query`.
///
/// # Errors
/// [`QueryError::Failed`] for a query that can't be encoded.
pub(crate) fn find_request(query: &DiscoveryQuery) -> Result<Bytes, QueryError> {
    let body = DiscoveryRequest::Find { query: query.clone() }.encode();
    body.map(Bytes::from).map_err(|_| QueryError::Failed)
}

/// Verifies a rendezvous's answer and drops, counted, what doesn't answer the query.
///
/// # Errors
/// [`QueryError`].
pub(crate) fn found_in(
    answer: &Bytes,
    query: &DiscoveryQuery,
    meters: &Meters,
) -> Result<Vec<SignedAdvertisement>, QueryError> {
    let answer = FindAnswer::decode(answer).map_err(|_| QueryError::Failed)?;
    let mut found = Vec::with_capacity(answer.advertisements.len());
    for envelope in answer.advertisements {
        match SignedAdvertisement::verify(envelope) {
            Ok(signed) if query.matches(&signed) => found.push(signed),
            _ => meters.advertisements_rejected.add(1),
        }
    }
    Ok(found)
}

/// Cuts `advertisements` into requests that fit a session frame.
fn batches(mut advertisements: &[Bytes]) -> impl Iterator<Item = &[Bytes]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |envelope: &&Bytes| {
            bytes += envelope.len() + 4;
            bytes <= DISCOVERY_BYTES_MAX
        };
        let count = advertisements.iter().take(PUBLISH_BATCH_MAX).take_while(fits).count();
        let (batch, rest) = advertisements.split_at_checked(count).filter(|_| count > 0)?;
        advertisements = rest;
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_everything_once_and_fit_a_frame() {
        let advertisements: Vec<_> = (0..200usize).map(|i| Bytes::from(vec![0; 100 + 70 * i])).collect();
        let batches: Vec<_> = batches(&advertisements).collect();
        assert_eq!(batches.concat(), advertisements);
        assert!(
            batches.iter().all(|batch| batch.iter().map(Bytes::len).sum::<usize>() <= DISCOVERY_BYTES_MAX)
        );
        assert!(batches.iter().all(|batch| batch.len() <= PUBLISH_BATCH_MAX));
    }
}
