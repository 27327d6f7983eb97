//! The manager: finds agents, asks them, collects what they measure (paper §2.3).
//!
//! In: a peer that is in the net group. Out: agents, their objects, a [`Collection`] of their records.

use std::sync::Arc;
use std::time::Duration;

use overlay::{AdvertisementKind, DiscoveryQuery, Peer, PeerId, SignedAdvertisement};

use super::agent::SERVICE;
use super::collection::{Collection, RecordSink};
use crate::error::GetError;
use crate::jmx::ObjectNamePattern;
use crate::limits::{AGENTS_MAX, BEANS_MAX, GET_PAGE_BEANS_MAX, GET_TIMEOUT};
use crate::protocol::{BeanSnapshot, GetAnswer, GetRequest, HANDLER};

/// An agent as its advertisement describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentInfo {
    /// Who it is.
    pub peer: PeerId,
    /// The name it goes by; others may have the same.
    pub name: Arc<str>,
    /// The program that it runs in.
    pub application: Arc<str>,
}

/// A manager at a peer; cheap to clone. It has no task of its own, only its collections have.
#[derive(Debug, Clone)]
pub struct Manager {
    peer: Peer,
}

impl Manager {
    /// A manager that speaks as `peer`.
    #[must_use]
    pub fn new(peer: &Peer) -> Self {
        Self { peer: peer.clone() }
    }

    /// The agents that are advertised now, each once, at most `AGENTS_MAX`; takes at most `deadline`.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn agents(&self, deadline: Duration) -> Vec<AgentInfo> {
        let query = DiscoveryQuery::new()
            .kind(AdvertisementKind::Service)
            .equals("service", SERVICE)
            .threshold(AGENTS_MAX)
            .deadline(deadline);
        let found: Vec<SignedAdvertisement> =
            futures::StreamExt::collect(self.peer.net_group().discover(query)).await;
        let own = self.peer.id();
        let mut agents: Vec<AgentInfo> =
            found.iter().map(AgentInfo::read).filter(|agent| agent.peer != own).collect();
        agents.sort_by_key(|agent| agent.peer);
        agents.dedup_by_key(|agent| agent.peer);
        agents
    }

    /// The objects at `peer` whose names match, with the named attributes (all when none is named); asks page by page,
    /// each within `GET_TIMEOUT`.
    ///
    /// # Errors
    /// [`GetError`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn get(
        &self,
        peer: PeerId,
        pattern: &ObjectNamePattern,
        attributes: &[String],
    ) -> Result<Vec<BeanSnapshot>, GetError> {
        let (mut beans, mut after) = (Vec::new(), 0);
        loop {
            let request = GetRequest {
                pattern: pattern.clone(),
                attributes: attributes.to_vec(),
                after,
                limit: GET_PAGE_BEANS_MAX as u32,
            };
            let group = self.peer.net_group().id();
            let answer = self.peer.query(peer, &group, HANDLER, request.encode()?, GET_TIMEOUT).await?;
            let page = GetAnswer::decode(&answer)?;
            // An agent whose pages don't advance would be asked for ever.
            if beans.len() + page.beans.len() > BEANS_MAX || (page.more && page.next <= after) {
                return Err(GetError::TooMany { max: BEANS_MAX });
            }
            beans.extend(page.beans);
            if !page.more {
                return Ok(beans);
            }
            after = page.next;
        }
    }

    /// Subscribes to every agent there is, and to those that appear or come back meanwhile, for the records whose names
    /// match `pattern`; needs a tokio runtime. A record reaches `sink` at most a second after its transaction ended, and is
    /// acknowledged to its agent after the sink's commit.
    #[must_use]
    pub fn collect(&self, pattern: ObjectNamePattern, sink: impl RecordSink) -> Collection {
        Collection::start(self.clone(), pattern, Box::new(sink), false)
    }

    /// As [`Self::collect`], for a manager that is not always there and wants everything: agents close batches after a
    /// minute, and what they measure while it is away they keep on their disks, within their bounds, until it has
    /// committed it. [`Collection::stop`] ends that; a collection that ends otherwise leaves it standing.
    #[must_use]
    pub fn collect_standing(&self, pattern: ObjectNamePattern, sink: impl RecordSink) -> Collection {
        Collection::start(self.clone(), pattern, Box::new(sink), true)
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }
}

impl AgentInfo {
    fn read(signed: &SignedAdvertisement) -> Self {
        let advertisement = signed.advertisement();
        let text = |name| Arc::from(advertisement.text(name).unwrap_or_default());
        Self { peer: signed.publisher(), name: text("name"), application: text("application") }
    }
}
