//! How a child finds a parent, and learns what its last one handed on.
//!
//! In: the advertised aggregators of the group, the parent that was lost. Out: a pipe to a parent, and what of the reports
//! in question counts already. Takes at most `ATTACH_TIMEOUT` for each aggregator that is tried.

use std::time::{Duration, Instant};

use futures::StreamExt;
use overlay::{AdvertisementKind, BidiPipe, DiscoveryQuery, Peer, PeerId};
use tokio::time::{sleep, timeout};

use super::{SERVICE, aggregates, unix};
use crate::aggregate::{
    Beat, FromChild, FromParent, Newcomer, Settled, Stamp, TREE_HANDLER, TreeAnswer, TreeQuestion, ranked,
    tree_pipe_id,
};
use crate::limits::{
    AGGREGATORS_LOOKUP_TIMEOUT, AGGREGATORS_MAX, ATTACH_RETRY, ATTACH_TIMEOUT, SETTLE_TRIES,
};
use crate::net::ManagementGroup;

/// Who seeks.
#[derive(Debug, Clone)]
pub(super) struct Seeker {
    pub(super) peer: Peer,
    pub(super) place: ManagementGroup,
    pub(super) boot: u64,
    pub(super) level: u8,
    /// How long an interval must be; any, at a peer that only measures.
    pub(super) length: Option<Duration>,
}

/// A parent that has taken the seeker in.
#[derive(Debug)]
pub(super) struct Parent {
    pub(super) known: Known,
    pub(super) beat: Beat,
    pub(super) pipe: BidiPipe,
}

/// What a child remembers of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) peer: PeerId,
    pub(super) boot: u64,
    pub(super) above: Option<PeerId>,
}

impl Known {
    /// Whether this is the run of a parent that was lost and that nobody above counts as gone: it knows what it has of the
    /// reports in question, however late it answers.
    fn goes_on(&self, lost: Option<Self>, settled: Option<&Settled>) -> bool {
        let same = lost.is_some_and(|lost| (lost.peer, lost.boot) == (self.peer, self.boot));
        same && settled.is_none_or(|settled| settled.lives)
    }
}

/// What came of a search.
#[derive(Debug)]
pub(super) enum Sought {
    /// The same run of the same parent is back.
    Resumed(Parent),
    /// Another one, or one that those above count as gone, and what is known of the one before.
    Found(Parent, Option<Settled>),
    /// None, though `advertised` are; and what is known of the one before.
    Nobody { advertised: usize, settled: Option<Settled> },
    /// This run of the seeker is gone for those above.
    Gone,
}

/// Why an aggregator is not the parent.
#[derive(Debug)]
enum Unattached {
    Gone,
    No,
}

impl Seeker {
    /// Seeks a parent after `former`, of whose reports `stamps` are in question, for `expected` peers.
    pub(super) async fn seek(self, former: Option<(Known, Vec<Stamp>)>, expected: u64) -> Sought {
        let (mut settled, mut lost) = (None, None);
        if let Some((former, stamps)) = &former {
            match self.ask_about(*former, stamps, expected).await {
                Ok((answer, back)) => (settled, lost) = (answer, Some(former.peer).filter(|_| !back)),
                Err(sought) => return *sought,
            }
        }
        let mut candidates = self.candidates().await;
        // One that stands still takes `ATTACH_TIMEOUT` each time it is tried.
        candidates.sort_by_key(|candidate| Some(*candidate) == lost);
        let former = former.map(|(former, _)| former);
        for candidate in &candidates {
            match self.attach(*candidate, expected).await {
                Ok(parent) if parent.known.goes_on(former, settled.as_ref()) => {
                    return Sought::Resumed(parent);
                }
                Ok(parent) => return Sought::Found(parent, settled),
                Err(Unattached::Gone) => return Sought::Gone,
                Err(Unattached::No) => {}
            }
        }
        Sought::Nobody { advertised: candidates.len(), settled }
    }

    /// Tries the parent that was lost, and the one above it until that knows; the search is over when it is back. Else
    /// what is known, and whether another run of the parent has answered.
    async fn ask_about(
        &self,
        former: Known,
        stamps: &[Stamp],
        expected: u64,
    ) -> Result<(Option<Settled>, bool), Box<Sought>> {
        let (mut settled, mut back) = (None, false);
        for _ in 0..SETTLE_TRIES {
            match self.attach(former.peer, expected).await {
                Ok(parent) if parent.known.boot == former.boot => {
                    return Err(Box::new(Sought::Resumed(parent)));
                }
                Err(Unattached::Gone) => return Err(Box::new(Sought::Gone)),
                // It has started anew: that pipe would say so again when it is chosen.
                answer => back = answer.is_ok(),
            }
            let Some(above) = former.above.filter(|_| !stamps.is_empty()) else { break };
            settled = self.settle(above, former, stamps).await;
            if settled.as_ref().is_some_and(|settled| !settled.lives) {
                break;
            }
            sleep(ATTACH_RETRY).await;
        }
        Ok((settled, back))
    }

    async fn settle(&self, above: PeerId, former: Known, stamps: &[Stamp]) -> Option<Settled> {
        let Known { peer: aggregator, boot, .. } = former;
        let question = TreeQuestion::Settle { aggregator, boot, stamps: stamps.to_vec() };
        let (group, question) = (self.place.group().id(), question.encode().ok()?);
        let answer = self.peer.query(above, &group, TREE_HANDLER, question, ATTACH_TIMEOUT).await;
        match answer.map(|answer| TreeAnswer::decode(&answer)) {
            Ok(Ok(TreeAnswer::Settled(settled))) if aggregates(self.place.access_of(&above)) => Some(settled),
            answer => {
                tracing::debug!(peer = %above, ?answer, "nobody tells what the lost aggregator handed on");
                None
            }
        }
    }

    /// The aggregators of the next level that has any, in the order in which this child tries them.
    async fn candidates(&self) -> Vec<PeerId> {
        let query = DiscoveryQuery::new()
            .kind(AdvertisementKind::Service)
            .equals("service", SERVICE)
            .threshold(AGGREGATORS_MAX)
            .deadline(AGGREGATORS_LOOKUP_TIMEOUT);
        let mut discovery = self.place.group().discover(query);
        let mut found: Vec<(u8, PeerId)> = Vec::new();
        while let Some(signed) = discovery.next().await {
            let level = signed.advertisement().text("level").and_then(|text| text.parse().ok());
            let above = level.filter(|level| *level > self.level);
            found.extend(above.map(|level| (level, signed.publisher())));
        }
        found.sort_unstable();
        found.dedup();
        let next = found.first().map(|(level, _)| *level);
        let of_next: Vec<PeerId> =
            found.into_iter().filter(|(level, _)| Some(*level) == next).map(|(_, peer)| peer).collect();
        ranked(&self.peer.id(), &of_next)
    }

    async fn attach(&self, to: PeerId, expected: u64) -> Result<Parent, Unattached> {
        let newcomer = Newcomer { boot: self.boot, level: self.level, expected };
        match timeout(ATTACH_TIMEOUT, self.open(to, newcomer)).await {
            Ok(Some((pipe, FromParent::Attached { boot, at, length, above }))) => {
                let (now, wanted) = (Instant::now(), self.length.unwrap_or(length));
                let beat = Beat::of_parent(now, unix(), at, length).filter(|_| wanted == length);
                let beat = beat.ok_or(Unattached::No)?;
                Ok(Parent { known: Known { peer: to, boot, above }, beat, pipe })
            }
            Ok(Some((_, FromParent::Gone))) => Err(Unattached::Gone),
            answer => {
                tracing::debug!(peer = %to, ?answer, "aggregator not attached to");
                Err(Unattached::No)
            }
        }
    }

    async fn open(&self, to: PeerId, newcomer: Newcomer) -> Option<(BidiPipe, FromParent)> {
        let group = self.place.group();
        let first = FromChild::Attach(newcomer).encode().ok()?;
        let pipe = tree_pipe_id(&group.id(), &to);
        let opened = group.connect_with(to, pipe, Some(first.into()), ATTACH_TIMEOUT).await;
        let mut pipe = match opened {
            Ok(pipe) => pipe,
            Err(error) => {
                tracing::debug!(peer = %to, reason = %error, "aggregator not reached");
                return None;
            }
        };
        // Anybody may advertise itself; only who has the role is told anything.
        if !aggregates(self.place.access_of(&to)) {
            tracing::warn!(peer = %to, "calls itself an aggregator without the role");
            return None;
        }
        let answer = pipe.recv().await.ok()??;
        FromParent::decode(&answer).ok().map(|answer| (pipe, answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_parent_that_answers_late_in_the_same_run_is_no_other_one() {
        let lost = Known { peer: PeerId::random(), boot: 5, above: None };
        let gone = |lives| Settled { lives, included: Vec::new() };
        // Under another one by now, or asked about while it stood still: it still has the reports.
        let back = Known { above: Some(PeerId::random()), ..lost };
        assert!(back.goes_on(Some(lost), None) && back.goes_on(Some(lost), Some(&gone(true))));
        assert!(!back.goes_on(Some(lost), Some(&gone(false))), "what counts of it is known");
        let anew = Known { boot: 6, ..lost };
        let other = Known { peer: PeerId::random(), ..lost };
        for parent in [anew, other] {
            assert!(!parent.goes_on(Some(lost), None));
        }
        assert!(!lost.goes_on(None, None), "there was none before");
    }
}
