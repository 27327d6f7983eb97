//! Proving one's place in a closed group, once per connection and group: each side shows its credentials, and the
//! newest revocation list it knows. All that is wrong reads as the same refusal on the wire.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use libp2p::PeerId;

use super::handle::{Deadline, Handle};
use super::session::SessionHandle;
use super::shared::Shared;
use crate::core::{Offence, TokenBucket};
use crate::error::{ConnectError, QueryError, RefuseReason};
use crate::id::GroupId;
use crate::limits::{PROOF_REFUSED_COST, PROOFS, PROOFS_EXCESS_MAX};
use crate::protocol::membership::Papers;
use crate::protocol::session::Outcome;

/// Shows this peer's papers on a session and judges those that come back.
///
/// # Errors
/// [`QueryError::Refused`] when one side does not take the other's; then nothing is proven on this session.
pub(super) async fn show(
    shared: &Arc<Shared>,
    peer: PeerId,
    session: &SessionHandle,
    group: GroupId,
) -> Result<(), QueryError> {
    let refused = QueryError::Refused(RefuseReason::NotMember);
    let Some((papers, newest)) = shared.to_show(&group) else { return Err(refused) };
    let shown = session.show(group, papers).await;
    if matches!(shown, Err(QueryError::Refused(_))) {
        session.forget_proof(&group);
        shared.sweep(&group);
    }
    let taken = Papers::decode(&shown?).map_err(|_| QueryError::Failed)?;
    match shared.take_proof((&peer, session), &group, taken, Some(newest)) {
        Ok(()) => Ok(()),
        Err(error) => {
            refuse(shared, peer, group, &error);
            Err(refused)
        }
    }
}

/// How many proofs one session may still show, so that a flood of them costs this peer little.
#[derive(Debug)]
pub(super) struct ProofQuota {
    bucket: TokenBucket,
    /// Refused unread since the bucket was last full.
    excess: u32,
}

impl Default for ProofQuota {
    fn default() -> Self {
        Self { bucket: TokenBucket::new(PROOFS), excess: 0 }
    }
}

impl ProofQuota {
    /// What is answered to what the other side shows, unread if it shows too much; a session that goes on like that
    /// ends.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        shared: &Shared,
        (peer, session): (PeerId, &SessionHandle),
        group: GroupId,
        shown: Papers,
    ) -> (Outcome, Bytes) {
        if self.bucket.is_full(now) {
            self.excess = 0;
        }
        if !self.bucket.spend(now, 1) {
            self.excess += 1;
            shared.meters.proofs_limited.add(1);
            if self.excess >= PROOFS_EXCESS_MAX {
                session.end();
            }
            return (Outcome::Refused(RefuseReason::NotMember), Bytes::new());
        }
        let answer = answer(shared, peer, session, group, shown);
        if matches!(answer.0, Outcome::Refused(_)) {
            self.bucket.drain(now, PROOF_REFUSED_COST - 1);
        }
        answer
    }
}

/// What is answered to what the other side shows: our own papers, or the refusal.
fn answer(
    shared: &Shared,
    peer: PeerId,
    session: &SessionHandle,
    group: GroupId,
    shown: Papers,
) -> (Outcome, Bytes) {
    let refused = (Outcome::Refused(RefuseReason::NotMember), Bytes::new());
    if shared.papers(&group).is_none() {
        shared.meters.proofs_refused.add(1);
        return refused;
    }
    if let Err(error) = shared.take_proof((&peer, session), &group, shown, None) {
        refuse(shared, peer, group, &error);
        return refused;
    }
    match shared.papers(&group).map(|papers| papers.encode()) {
        Some(Ok(papers)) => (Outcome::Answered, papers),
        _ => refused,
    }
}

fn refuse(shared: &Shared, peer: PeerId, group: GroupId, error: &crate::error::CredentialError) {
    tracing::debug!(%peer, %group, reason = %error, "proof of membership refused");
    shared.meters.proofs_refused.add(1);
    shared.offends(peer, Offence::BadProof);
    // A proof that counted before and is replaced by a bad one takes its pipes along.
    shared.sweep(&group);
}

impl Handle {
    /// Makes sure that both ends have proven their place in a closed group on `session`; whether they had before.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(crate) async fn prove(
        &self,
        to: PeerId,
        session: &SessionHandle,
        group: GroupId,
    ) -> Result<bool, QueryError> {
        if session.has_proof(&group) && self.shared.lets_in(&to, &group) {
            return Ok(true);
        }
        show(&self.shared, to, session, group).await.map(|()| false)
    }

    /// Proves on `session` whatever was proven before.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(crate) async fn prove_again(
        &self,
        to: PeerId,
        session: &SessionHandle,
        group: GroupId,
    ) -> Result<(), QueryError> {
        show(&self.shared, to, session, group).await
    }

    /// A session with `to`, where in a closed group that this peer is in both ends have proven their place; and
    /// whether they had before.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(super) async fn session_in(
        &self,
        to: PeerId,
        group: GroupId,
    ) -> Result<(SessionHandle, bool), QueryError> {
        let session = self.reach_session(to).await.map_err(query_error)?;
        let proven_before = self.shared.is_member(&group) && self.prove(to, &session, group).await?;
        Ok((session, proven_before))
    }

    /// Asks in a group; in a closed one that this peer is in, both ends have proven their place first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(crate) async fn ask(
        &self,
        to: PeerId,
        group: GroupId,
        name: &str,
        body: Bytes,
        until: Option<Instant>,
    ) -> Result<Bytes, QueryError> {
        if to == self.shared.id {
            if self.shared.groups.way(&group).is_none() {
                return Err(QueryError::Refused(RefuseReason::NotMember));
            }
            return self.shared.handlers.ask(to, group, name, body, &self.shared.meters).await;
        }
        let (session, proven_before) = self.session_in(to, group).await?;
        if !proven_before {
            return session.ask_by(until, group, name, body).await;
        }
        let not_member = Err(QueryError::Refused(RefuseReason::NotMember));
        let answer = session.ask_by(until, group, name, body.clone()).await;
        if answer != not_member {
            return answer;
        }
        // The other side has forgotten, having left and come back.
        self.prove_again(to, &session, group).await?;
        session.ask_by(until, group, name, body).await
    }

    /// As [`ask`](Self::ask), until a deadline that the other side is told.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(crate) async fn ask_within(
        &self,
        Deadline { until, after }: Deadline,
        to: PeerId,
        group: GroupId,
        name: &str,
        body: Bytes,
    ) -> Result<Bytes, QueryError> {
        self.shared.meters.queries_out.add(1);
        let asking = self.ask(to, group, name, body, Some(until));
        tokio::time::timeout_at(until.into(), asking).await.unwrap_or(Err(QueryError::TimedOut { after }))
    }
}

/// What an opener of a pipe is told of a handshake that failed.
pub(crate) fn connect_error(error: QueryError) -> ConnectError {
    match error {
        QueryError::Refused(_) => ConnectError::Refused,
        QueryError::Busy => ConnectError::Busy,
        _ => ConnectError::Closed,
    }
}

fn query_error(error: ConnectError) -> QueryError {
    match error {
        ConnectError::Busy => QueryError::Busy,
        ConnectError::Closed => QueryError::Closed,
        other => QueryError::Unreachable(other.to_string()),
    }
}
