//! The life of memberships: tickets are answered, credentials renewed in time, news of revocation passed on.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use super::command::Command;
use super::groups::now_s;
use super::handle::Handle;
use super::handshake::show;
use super::resolver::{Queries, Query};
use super::session::SessionHandle;
use super::shared::Shared;
use crate::core::Membership;
use crate::credential::{Role, Ticket, authority_of};
use crate::error::{CredentialError, JoinError, QueryError, RefuseReason};
use crate::id::{Genesis, GroupId, Policy};
use crate::limits::{GROUP_UPKEEP_PERIOD, GROUPS_MAX, OPEN_TIMEOUT, TICKET_ISSUERS_MAX};
use crate::protocol::closed;
use crate::protocol::membership::{HANDLER, MembershipRequest, Papers};

/// Answers tickets and renewals until the peer ends.
pub(super) async fn serve(shared: Arc<Shared>) {
    let Ok(mut queries) = Queries::register(shared.clone(), None, HANDLER) else { return };
    let Ok(mut news) = Queries::register(shared.clone(), None, closed::NEWS) else { return };
    loop {
        let query = tokio::select! {
            Some(query) = queries.recv() => query,
            Some(query) = news.recv() => {
                shared.hear_news(query);
                continue;
            }
            else => return,
        };
        let papers = papers_for(&shared, &query);
        match papers
            .map_err(|error| error.to_string())
            .and_then(|papers| papers.encode().map_err(|e| e.to_string()))
        {
            Ok(papers) => {
                shared.meters.credentials_issued.add(1);
                query.reply(papers);
            }
            Err(reason) => {
                tracing::debug!(peer = %query.from, %reason, "no credential issued");
                shared.meters.credentials_refused.add(1);
                query.refuse(RefuseReason::NotMember);
            }
        }
    }
}

fn papers_for(shared: &Shared, query: &Query) -> Result<Papers, CredentialError> {
    let unknown = || Err(CredentialError::WrongGroup);
    match MembershipRequest::decode(&query.body)? {
        MembershipRequest::Redeem { group, ticket } => {
            let redeem = |membership: &mut Membership| membership.redeem(&ticket, query.from, now_s());
            shared.groups.change(&group, redeem).unwrap_or_else(unknown)
        }
        // Who asks in the group has proven its place, and keeps its role.
        MembershipRequest::Renew => {
            let role = shared.role_of(&query.from, &query.group).ok_or(CredentialError::NotClosed)?;
            let issue = |membership: &Membership| membership.issue(query.from, role, now_s());
            shared.groups.look(&query.group, issue).unwrap_or_else(unknown)
        }
    }
}

/// Renews credentials, ends what has expired, and tells others of both, until the peer ends.
pub(super) async fn keep(shared: Arc<Shared>, commands: mpsc::WeakSender<Command>) {
    let mut telling: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = shared.groups.changed.notified() => {}
            () = tokio::time::sleep(GROUP_UPKEEP_PERIOD) => {}
            Some(()) = telling.next() => continue,
        }
        for (host, group, told) in shared.hosts_to_be_told() {
            telling.push(Box::pin(host.tell(shared.clone(), group, told)));
        }
        for group in shared.groups.closed() {
            renew(&shared, &commands, group, &telling);
            shared.sweep(&group);
            for (peer, session) in shared.to_be_told(&group) {
                telling.push(Box::pin(tell(shared.clone(), peer, session, group)));
            }
        }
    }
}

/// Shows newer papers on a session; one that doesn't take them is tried again.
async fn tell(shared: Arc<Shared>, peer: PeerId, session: SessionHandle, group: GroupId) {
    let shown = tokio::time::timeout(OPEN_TIMEOUT, show(&shared, peer, &session, group)).await;
    if !matches!(shown, Ok(Ok(()))) {
        session.change_proof(&group, |proof| std::mem::replace(&mut proof.being_told, false));
    }
}

/// Renews this peer's credential when it is time: by its own key, or by asking the issuers.
fn renew(
    shared: &Arc<Shared>,
    commands: &mpsc::WeakSender<Command>,
    group: GroupId,
    telling: &FuturesUnordered<BoxFuture<'static, ()>>,
) {
    let now = now_s();
    let due = shared.groups.change(&group, |membership| {
        let due = membership.takes_renewal(now) && !membership.renew_own(now).unwrap_or(false);
        due.then(|| membership.issuers().to_vec())
    });
    let Some(Some(issuers)) = due else { return };
    let (shared, commands) = (shared.clone(), commands.clone());
    telling.push(Box::pin(async move {
        for (issuer, addresses) in issuers {
            let asking = ask_renewal(&shared, &commands, (issuer, addresses), group);
            if let Ok(Ok(())) = tokio::time::timeout(OPEN_TIMEOUT, asking).await {
                return shared.groups.changed.notify_one();
            }
        }
        shared.meters.renewals_failed.add(1);
    }));
}

async fn ask_renewal(
    shared: &Arc<Shared>,
    commands: &mpsc::WeakSender<Command>,
    (peer, addresses): (PeerId, Vec<Multiaddr>),
    group: GroupId,
) -> Result<(), String> {
    let (reply, session) = oneshot::channel();
    // Not held while waiting: it would keep a peer alive whose last handle is dropped.
    let sender = commands.upgrade().ok_or("the peer has ended")?;
    let command = Command::Session { peer, addresses, reply };
    sender.send(command).await.map_err(|_| "the peer has ended")?;
    drop(sender);
    let session = session.await.map_err(|error| error.to_string())?.map_err(|error| format!("{error:?}"))?;
    let text = |error: QueryError| error.to_string();
    show(shared, peer, &session, group).await.map_err(text)?;
    let request = MembershipRequest::Renew.encode().map_err(|error| error.to_string())?;
    let answer = session.ask(group, HANDLER, request).await.map_err(text)?;
    let papers = Papers::decode(&answer).map_err(|error| error.to_string())?;
    let renewed = shared.groups.change(&group, |membership| membership.renewed(papers, now_s()));
    renewed.unwrap_or(Err(CredentialError::WrongGroup)).map_err(|error| error.to_string())
}

impl Handle {
    /// Creates a group of which whoever knows the passphrase is a member.
    ///
    /// # Errors
    /// [`JoinError`].
    pub(crate) async fn create_by_passphrase(
        &self,
        label: &str,
        passphrase: &str,
    ) -> Result<Arc<Genesis>, JoinError> {
        let salt = salt()?;
        let authority = derive(passphrase, salt).await?;
        self.create(Policy::Passphrase, authority, salt, label)
    }

    /// Creates a group whose authority is this peer.
    ///
    /// # Errors
    /// [`JoinError`].
    pub(crate) fn create_by_invite(&self, label: &str) -> Result<Arc<Genesis>, JoinError> {
        self.create(Policy::Invite, self.shared.keypair.clone(), salt()?, label)
    }

    fn create(
        &self,
        policy: Policy,
        authority: Keypair,
        salt: [u8; 16],
        label: &str,
    ) -> Result<Arc<Genesis>, JoinError> {
        let key = authority.public().try_into_ed25519().map_err(|_| CredentialError::BadSignature)?;
        let genesis = Arc::new(Genesis::closed(policy, key.to_bytes(), salt, label));
        genesis.to_bytes().map_err(CredentialError::from)?;
        self.join_with_key(genesis.clone(), authority)?;
        Ok(genesis)
    }

    /// Joins by the key of the group that a passphrase gives.
    ///
    /// # Errors
    /// [`JoinError`].
    pub(crate) async fn join_passphrase(
        &self,
        genesis: Arc<Genesis>,
        passphrase: &str,
    ) -> Result<(), JoinError> {
        let authority = derive(passphrase, *genesis.salt()).await?;
        self.join_with_key(genesis, authority)
    }

    /// Joins as who holds the key of the group.
    ///
    /// # Errors
    /// [`JoinError`].
    fn join_with_key(&self, genesis: Arc<Genesis>, authority: Keypair) -> Result<(), JoinError> {
        let membership = self.shared.place_with_key(genesis, authority)?;
        self.take_place(membership)
    }

    /// Joins by a ticket: the first issuer of it that answers gives the credential.
    ///
    /// # Errors
    /// [`JoinError`]; that of the last issuer when none gives one.
    pub(crate) async fn join_ticket(&self, ticket: Ticket) -> Result<Arc<Genesis>, JoinError> {
        let genesis = Arc::new(ticket.genesis.clone());
        let redeem = MembershipRequest::Redeem { group: genesis.id(), ticket: ticket.proof.clone() };
        let redeem = redeem.encode().map_err(CredentialError::from)?;
        let mut last = JoinError::NoIssuer;
        for (issuer, addresses) in &ticket.issuers {
            let asking = self.ask_issuer(*issuer, addresses.clone(), redeem.clone());
            let timed_out = Err(QueryError::TimedOut { after: OPEN_TIMEOUT });
            match tokio::time::timeout(OPEN_TIMEOUT, asking).await.unwrap_or(timed_out) {
                Ok(answer) => {
                    let papers = Papers::decode(&answer).map_err(CredentialError::from)?;
                    let identity = self.shared.keypair.clone();
                    let issuers = ticket.issuers.clone();
                    let place = Membership::invited(genesis.clone(), papers, issuers, identity, now_s())?;
                    self.take_place(place)?;
                    return Ok(genesis);
                }
                Err(QueryError::Refused(_)) => last = JoinError::Refused,
                Err(error) => last = JoinError::Unanswered(error),
            }
        }
        Err(last)
    }

    async fn ask_issuer(
        &self,
        issuer: PeerId,
        addresses: Vec<Multiaddr>,
        redeem: Bytes,
    ) -> Result<Bytes, QueryError> {
        // Where the ticket says, else where the rendezvous say; the second reports what went wrong.
        let _ = self.session(issuer, addresses).await;
        self.ask(issuer, GroupId::net(), HANDLER, redeem, None).await
    }

    /// This peer's place as bytes.
    ///
    /// # Errors
    /// [`CredentialError::NotClosed`] for who is no member.
    pub(crate) fn save(&self, group: &GroupId) -> Result<Vec<u8>, CredentialError> {
        self.shared.groups.look(group, Membership::save).unwrap_or(Err(CredentialError::NotClosed))
    }

    /// Takes the place that was saved.
    ///
    /// # Errors
    /// [`JoinError`].
    pub(crate) fn restore(&self, saved: &[u8]) -> Result<Arc<Genesis>, JoinError> {
        let membership = Membership::restore(saved, self.shared.keypair.clone(), now_s())?;
        let genesis = membership.genesis().clone();
        self.take_place(membership)?;
        Ok(genesis)
    }

    fn take_place(&self, membership: Membership) -> Result<(), JoinError> {
        if self.shared.join_closed(membership) { Ok(()) } else { Err(JoinError::Full { max: GROUPS_MAX }) }
    }

    /// Who has used a ticket that this peer answers.
    pub(crate) fn spent_by(&self, group: &GroupId, ticket: &Ticket) -> Option<PeerId> {
        self.shared.groups.look(group, |membership: &Membership| membership.spent_by(&ticket.proof)).flatten()
    }

    /// A ticket that this peer answers, and the issuers that it is connected with.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn invite(
        &self,
        group: &GroupId,
        role: Role,
        life: std::time::Duration,
    ) -> Result<Ticket, CredentialError> {
        let own = (self.shared.id, self.shared.addresses.read().clone());
        let mut issuers = vec![own];
        let others = self.shared.sessions.all();
        let others = others.into_iter().map(|(peer, _)| peer);
        let mut others: Vec<_> =
            others.filter(|peer| self.shared.role_of(peer, group) == Some(Role::Issuer)).collect();
        others.dedup();
        issuers.extend(others.into_iter().map(|peer| (peer, Vec::new())));
        issuers.truncate(TICKET_ISSUERS_MAX);
        let invite = |membership: &Membership| membership.invite(role, life, now_s(), issuers);
        self.shared.groups.look(group, invite).unwrap_or(Err(CredentialError::NotAnIssuer))
    }
}

/// The key of a passphrase; its cost is paid on a thread that may block.
///
/// # Errors
/// [`CredentialError::System`].
async fn derive(passphrase: &str, salt: [u8; 16]) -> Result<Keypair, CredentialError> {
    let passphrase = zeroize::Zeroizing::new(passphrase.to_owned());
    let deriving = tokio::task::spawn_blocking(move || authority_of(&passphrase, &salt));
    deriving.await.map_err(|error| CredentialError::System(error.to_string()))?
}

fn salt() -> Result<[u8; 16], CredentialError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| CredentialError::System(error.to_string()))?;
    Ok(salt)
}
