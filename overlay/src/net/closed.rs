//! Closed groups at a rendezvous that is no member: this peer enters once by showing its papers, then publishes and
//! finds there. What a rendezvous finds in a closed group is its word: a finder checks group and signature, while that
//! the publisher is a member only the rendezvous has seen.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::groups::Shown;
use super::handle::Handle;
use super::lease::Way;
use super::resolver::Query;
use super::session::SessionHandle;
use super::shared::Shared;
use crate::error::{QueryError, RefuseReason};
use crate::id::GroupId;
use crate::limits::LEASE_REQUEST_TIMEOUT;
use crate::protocol::closed::{self, ClosedRequest, RevocationNews};
use crate::protocol::discovery::{self, DiscoveryRequest};

/// The closed groups that this peer has entered at one rendezvous; as many as it is in.
#[derive(Debug, Default)]
pub(super) struct Entries {
    table: Mutex<HashMap<GroupId, Entry>>,
    /// Places that have begun there.
    begun: AtomicU64,
}

/// What a rendezvous was shown.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Which of the places this is.
    number: u64,
    shown: Shown,
    /// It is being shown newer ones.
    being_told: bool,
}

impl Entries {
    fn table(&self) -> MutexGuard<'_, HashMap<GroupId, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Keeps what was shown, for the place known before unless it is a `fresh` one.
    fn note(&self, group: GroupId, fresh: bool, entry: Entry) {
        let mut table = self.table();
        let known = table.get(&group).filter(|_| !fresh).map(|known| known.number);
        let number = known.unwrap_or_else(|| self.begun.fetch_add(1, Ordering::Relaxed));
        table.insert(group, Entry { number, ..entry });
    }
}

/// A rendezvous that serves this peer.
#[derive(Debug, Clone)]
pub(super) enum Host {
    /// One that it leases from.
    Leased(SessionHandle),
    /// The one that it is itself.
    Own,
}

/// What a rendezvous is to be told of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// There are newer papers.
    Again,
    /// This peer is in it no more.
    Left,
}

impl Host {
    fn entries<'a>(&'a self, shared: &'a Shared) -> &'a Entries {
        match self {
            Self::Leased(session) => session.entries(),
            Self::Own => &shared.groups.own_entries,
        }
    }

    /// Which of its places in the group this peer has there, as far as it knows; another one begins without what was
    /// asked in the one before.
    pub(super) fn entry(&self, shared: &Shared, group: &GroupId) -> Option<u64> {
        self.entries(shared).table().get(group).map(|entry| entry.number)
    }

    async fn request(&self, shared: &Shared, request: &ClosedRequest) -> Result<Bytes, QueryError> {
        self.query(shared, closed::HANDLER, request.encode().map_err(|_| QueryError::Failed)?).await
    }

    async fn query(&self, shared: &Shared, handler: &str, body: Bytes) -> Result<Bytes, QueryError> {
        let net = GroupId::net();
        match self {
            Self::Leased(session) => session.ask(net, handler, body).await,
            Self::Own => shared.handlers.ask(shared.id, net, handler, body, &shared.meters).await,
        }
    }

    /// Shows this peer's papers in `group`; takes in the newer list that may come back.
    ///
    /// # Errors
    /// [`QueryError`]; `NotMember` also when this peer is none.
    async fn enter(&self, shared: &Shared, group: GroupId) -> Result<(), QueryError> {
        let not_member = QueryError::Refused(RefuseReason::NotMember);
        let (papers, shown) = shared.to_show(&group).ok_or(not_member.clone())?;
        let genesis = shared.groups.look(&group, |known| (**known.genesis()).clone()).ok_or(not_member)?;
        let request = ClosedRequest::Enter { genesis, chain: papers.chain, revocations: papers.revocations };
        let answer = self.request(shared, &request).await;
        if matches!(answer, Err(QueryError::Refused(_))) {
            self.entries(shared).table().remove(&group);
        }
        let news = RevocationNews::decode(&answer?).map_err(|_| QueryError::Failed)?;
        let RevocationNews { revocations, fresh, .. } = news;
        shared.learn_revocations(&group, revocations.clone()).map_err(|_| QueryError::Failed)?;
        let known = shared.groups.look(&group, |known| shown.or_known(known, &revocations));
        let shown = known.unwrap_or(shown);
        self.entries(shared).note(group, fresh, Entry { number: 0, shown, being_told: false });
        shared.has_shown(&group, shown);
        if fresh {
            shared.subscriptions.ask_again();
        }
        Ok(())
    }

    /// Asks what is a question of discovery, in a closed group entering it first if need be.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(super) async fn ask(&self, shared: &Shared, way: Way, request: Bytes) -> Result<Bytes, QueryError> {
        let Way::Closed(group) = way else {
            return self.query(shared, discovery::HANDLER, request).await;
        };
        let entered_before = self.entries(shared).table().contains_key(&group);
        if !entered_before {
            self.enter(shared, group).await?;
        }
        let ask = ClosedRequest::Ask { group, request };
        let answer = self.request(shared, &ask).await;
        let forgotten = answer == Err(QueryError::Refused(RefuseReason::NotMember));
        if !(entered_before && forgotten) {
            return answer;
        }
        // A lease that ended took the place along.
        self.enter(shared, group).await?;
        self.request(shared, &ask).await
    }

    /// Tells the rendezvous; what it doesn't take is told again by the next upkeep.
    pub(super) async fn tell(self, shared: Arc<Shared>, group: GroupId, telling: Telling) {
        let doing = async {
            match telling {
                Telling::Again => drop(self.enter(&shared, group).await),
                Telling::Left => drop(self.request(&shared, &ClosedRequest::Leave { group }).await),
            }
        };
        // One that stays silent has lost its session soon.
        let _ = tokio::time::timeout(LEASE_REQUEST_TIMEOUT, doing).await;
        if let Some(entry) = self.entries(&shared).table().get_mut(&group) {
            entry.being_told = false;
        }
    }
}

impl Shared {
    /// The rendezvous that this peer leases from and has a session with, and itself.
    pub(super) fn hosts(&self) -> Vec<Host> {
        let leased = self.leases.borrow().held.clone();
        let sessions = leased.iter().filter_map(|peer| self.sessions.of(peer)).map(Host::Leased);
        sessions.chain([Host::Own]).collect()
    }

    /// Those of them that serve `way`.
    pub(super) fn hosts_by(&self, way: Way) -> Vec<Host> {
        let mut hosts = self.hosts();
        hosts.retain(|host| matches!(host, Host::Leased(_)) || self.handlers.has(way.handler()));
        hosts
    }

    /// What rendezvous are to be told; each is named once until that is done.
    pub(super) fn hosts_to_be_told(&self) -> Vec<(Host, GroupId, Telling)> {
        let mut due = Vec::new();
        for host in self.hosts() {
            host.entries(self).table().retain(|group, entry| {
                let Some((_, newest)) = self.to_show(group) else {
                    due.push((host.clone(), *group, Telling::Left));
                    return false;
                };
                if entry.shown.is_older(newest) && !std::mem::replace(&mut entry.being_told, true) {
                    due.push((host.clone(), *group, Telling::Again));
                }
                true
            });
        }
        due
    }

    /// Hears what a rendezvous says of revocations; only from one that serves this peer, since it costs a verification.
    pub(super) fn hear_news(&self, query: Query) {
        let served = query.from == self.id || self.leases.borrow().held.contains(&query.from);
        let news = served.then(|| RevocationNews::decode(&query.body).ok()).flatten();
        let Some(news) = news else { return query.refuse(RefuseReason::NotMember) };
        if let Err(error) = self.learn_revocations(&news.group, news.revocations) {
            tracing::debug!(peer = %query.from, reason = %error, "news of revocations refused");
        }
        // Whether it is known here is nobody's business.
        query.reply(Bytes::new());
    }
}

impl Handle {
    /// Publishes in a closed group at the rendezvous that this peer is itself, if it is one.
    pub(crate) async fn publish_at_own(&self, group: GroupId, envelope: Bytes) {
        let request = DiscoveryRequest::Publish { advertisements: vec![envelope] }.encode();
        if let Ok(request) = request {
            // Most peers are none; one that is takes in again what its peer publishes.
            let _ = Host::Own.ask(&self.shared, Way::Closed(group), request.into()).await;
        }
    }
}
