//! The manager: finds agents, asks them, collects what they measure (paper §2.3).
//!
//! In: a peer that is in the net group. Out: agents, their objects, a [`Collection`] of their records.

use std::sync::Arc;
use std::time::Duration;

use overlay::wire::WireError;
use overlay::{AdvertisementKind, DiscoveryQuery, Peer, PeerGroup, PeerId, SignedAdvertisement};
use tokio::time::timeout;

use super::agent::SERVICE;
use super::collection::{Collection, RecordSink, Wish};
use super::contested::{claim, contested};
use super::pages::Pages;
use crate::access::{ManagementRole, unknown_peer};
use crate::error::{GetError, ManageError};
use crate::jmx::{AttributeValue, Change, ObjectName, ObjectNamePattern, SetOptions};
use crate::limits::{AGENTS_MAX, GET_ALL_TIMEOUT, GET_TIMEOUT};
use crate::protocol::{BeanSnapshot, Described, GetRequest, HANDLER, ManageAnswer, ManageRequest};

/// An agent as its advertisement describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentInfo {
    /// Who it is.
    pub peer: PeerId,
    /// The name it goes by; others may have the same.
    pub name: Arc<str>,
    /// The program that it runs in.
    pub application: Arc<str>,
    /// Its pseudonym in the management group, if it has one; [`unknown_peer`] when another agent claims the same.
    pub pseudonym: Option<PeerId>,
}

/// A manager at a peer; cheap to clone. It has no task of its own, only its collections have.
#[derive(Debug, Clone)]
pub struct Manager {
    peer: Peer,
    group: PeerGroup,
    /// How long it waits for one answer.
    patience: Duration,
}

impl Manager {
    /// A manager that speaks as `peer` to agents that are open.
    #[must_use]
    pub fn new(peer: &Peer) -> Self {
        Self::in_group(peer, peer.net_group())
    }

    /// A manager that speaks as `peer` to the agents of a management group, of which it is a member.
    #[must_use]
    pub fn in_group(peer: &Peer, group: PeerGroup) -> Self {
        Self { peer: peer.clone(), group, patience: GET_TIMEOUT }
    }

    /// One that waits so long for each answer, reaching the peer included, instead of `GET_TIMEOUT`: for peers that are far
    /// away, or on machines that stand still at times. All pages of an answer may take as long too, or `GET_ALL_TIMEOUT`.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The agents that are advertised now, each once, at most `AGENTS_MAX`; takes at most `deadline`.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn agents(&self, deadline: Duration) -> Vec<AgentInfo> {
        let mut agents = self.claims(deadline).await;
        let contested = contested(&agents);
        for agent in agents.iter_mut().filter(|agent| contested.contains(&claim(agent))) {
            tracing::warn!(peer = %agent.peer, "another agent claims the same pseudonym");
            agent.pseudonym = Some(unknown_peer());
        }
        agents
    }

    /// As [`Self::agents`], with the pseudonyms that they claim.
    pub(super) async fn claims(&self, deadline: Duration) -> Vec<AgentInfo> {
        let query = DiscoveryQuery::new()
            .kind(AdvertisementKind::Service)
            .equals("service", SERVICE)
            .threshold(AGENTS_MAX)
            .deadline(deadline);
        let found: Vec<SignedAdvertisement> = futures::StreamExt::collect(self.group.discover(query)).await;
        let own = self.peer.id();
        let mut agents: Vec<AgentInfo> =
            found.iter().map(AgentInfo::read).filter(|agent| agent.peer != own).collect();
        agents.sort_by_key(|agent| agent.peer);
        agents.dedup_by_key(|agent| agent.peer);
        agents
    }

    /// The objects at `peer` whose names match, with the named attributes (all when none is named); asks page by page,
    /// each within `GET_TIMEOUT`, all within `GET_ALL_TIMEOUT`, unless it is [`patient`](Self::patient).
    ///
    /// # Errors
    /// [`GetError`]; also when the agent answers what was not asked, or more than a manager takes.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn get(
        &self,
        peer: PeerId,
        pattern: &ObjectNamePattern,
        attributes: &[String],
    ) -> Result<Vec<BeanSnapshot>, GetError> {
        self.get_first(peer, pattern, attributes, usize::MAX).await
    }

    /// As [`Self::get`], but the first `wanted` objects only, whatever the agent has: for who knows how many there are.
    ///
    /// # Errors
    /// [`GetError`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn get_first(
        &self,
        peer: PeerId,
        pattern: &ObjectNamePattern,
        attributes: &[String],
        wanted: usize,
    ) -> Result<Vec<BeanSnapshot>, GetError> {
        let asking = self.ask_all(peer, pattern, attributes, Pages::first(wanted));
        let after = self.patience.max(GET_ALL_TIMEOUT);
        timeout(after, asking).await.map_err(|_| GetError::TimedOut { after })?
    }

    async fn ask_all(
        &self,
        peer: PeerId,
        pattern: &ObjectNamePattern,
        attributes: &[String],
        mut pages: Pages,
    ) -> Result<Vec<BeanSnapshot>, GetError> {
        let group = self.group.id();
        loop {
            let request = GetRequest {
                pattern: pattern.clone(),
                attributes: attributes.to_vec(),
                after: pages.after(),
                limit: pages.limit() as u32,
            };
            let answer = self.peer.query(peer, &group, HANDLER, request.encode()?, self.patience).await?;
            if !pages.take(pattern, &answer)? {
                return Ok(pages.into_beans());
            }
        }
    }

    /// Sets an attribute, or says what it would change; takes at most `GET_TIMEOUT`.
    ///
    /// # Errors
    /// [`ManageError`]; then nothing has changed, unless no answer came.
    ///
    /// # Cancel safety
    /// The set may be done or not.
    pub async fn set(
        &self,
        peer: PeerId,
        object: &ObjectName,
        attribute: &str,
        value: AttributeValue,
        options: SetOptions,
    ) -> Result<Change, ManageError> {
        let (object, attribute) = (object.clone(), attribute.to_owned());
        match self.manage(peer, &ManageRequest::Set { object, attribute, value, options }).await? {
            ManageAnswer::Changed(change) => Ok(change),
            _ => Err(WireError::Malformed.into()),
        }
    }

    /// Has something done; what it gave. Takes at most `GET_TIMEOUT`.
    ///
    /// # Errors
    /// [`ManageError`]; when no answer came, it may be done.
    ///
    /// # Cancel safety
    /// It may be done or not.
    pub async fn invoke(
        &self,
        peer: PeerId,
        object: &ObjectName,
        operation: &str,
        arguments: Vec<AttributeValue>,
    ) -> Result<AttributeValue, ManageError> {
        let (object, operation) = (object.clone(), operation.to_owned());
        match self.manage(peer, &ManageRequest::Invoke { object, operation, arguments }).await? {
            ManageAnswer::Done(value) => Ok(value),
            _ => Err(WireError::Malformed.into()),
        }
    }

    /// What an object is, what can be set and invoked there.
    ///
    /// # Errors
    /// [`ManageError`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn describe(&self, peer: PeerId, object: &ObjectName) -> Result<Described, ManageError> {
        match self.manage(peer, &ManageRequest::Describe { object: object.clone() }).await? {
            ManageAnswer::Described(described) => Ok(described),
            _ => Err(WireError::Malformed.into()),
        }
    }

    async fn manage(&self, peer: PeerId, request: &ManageRequest) -> Result<ManageAnswer, ManageError> {
        let group = self.group.id();
        let answer = self.peer.query(peer, &group, HANDLER, request.encode()?, self.patience).await?;
        match ManageAnswer::decode(&answer)? {
            ManageAnswer::Failed { code, reason } => Err(ManageError::Failed { code, reason }),
            answer => Ok(answer),
        }
    }

    /// Subscribes to every agent there is, and to those that appear or come back meanwhile, for the records whose names
    /// match `pattern`; needs a tokio runtime. A record reaches `sink` at most a second after its transaction ended, and is
    /// acknowledged to its agent after the sink's commit.
    #[must_use]
    pub fn collect(&self, pattern: ObjectNamePattern, sink: impl RecordSink) -> Collection {
        self.collect_as(pattern, sink, Wish::default())
    }

    /// As [`Self::collect`], for a manager that is not always there and wants everything: agents close batches after a
    /// minute, and what they measure while it is away they keep on their disks, within their bounds, until it has
    /// committed it. [`Collection::stop`] ends that; a collection that ends otherwise leaves it standing.
    #[must_use]
    pub fn collect_standing(&self, pattern: ObjectNamePattern, sink: impl RecordSink) -> Collection {
        self.collect_as(pattern, sink, Wish { standing: true, ..Wish::default() })
    }

    /// As [`Self::collect`] or [`Self::collect_standing`], and with what monitors say, as `wish` says. A crossing whose
    /// object `pattern` matches comes within a second; agents remember `NOTIFICATIONS_KEPT` of them.
    #[must_use]
    pub fn collect_as(&self, pattern: ObjectNamePattern, sink: impl RecordSink, wish: Wish) -> Collection {
        Collection::start(self.clone(), pattern, Box::new(sink), wish)
    }

    /// What this manager is in its management group; none outside of one, and when it is no member any more.
    #[must_use]
    pub fn role(&self) -> Option<ManagementRole> {
        self.group.role().map(ManagementRole::from_overlay)
    }

    /// Under which id an agent is seen in its records: a reader is given pseudonyms.
    #[must_use]
    pub fn sees(&self, agent: &AgentInfo) -> PeerId {
        agent.pseudonym.filter(|_| self.sees_pseudonyms()).unwrap_or(agent.peer)
    }

    /// An agent as this manager sees it: under which id, and as `unknown` when nobody can tell which one it is.
    #[must_use]
    pub fn shown(&self, agent: &AgentInfo) -> AgentInfo {
        let peer = self.sees(agent);
        if peer == unknown_peer() {
            return AgentInfo { peer, name: "unknown".into(), application: "".into(), pseudonym: Some(peer) };
        }
        AgentInfo { peer, ..agent.clone() }
    }

    /// Whether agents give this manager pseudonyms instead of ids.
    pub(super) fn sees_pseudonyms(&self) -> bool {
        self.role() == Some(ManagementRole::Reader)
    }

    pub(super) fn group(&self) -> &PeerGroup {
        &self.group
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }
}

impl AgentInfo {
    fn read(signed: &SignedAdvertisement) -> Self {
        let advertisement = signed.advertisement();
        let text = |name| Arc::from(advertisement.text(name).unwrap_or_default());
        let pseudonym = advertisement.text("pseudonym").and_then(|text| text.parse().ok());
        Self { peer: signed.publisher(), name: text("name"), application: text("application"), pseudonym }
    }
}
