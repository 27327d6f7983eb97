//! A manager asks the aggregators of its group for the figures of all peers.
//!
//! In: a manager in a closed group. Out: [`Totals`]. Asks each aggregator, each page as long as it waits for an answer, and
//! all of them within `GET_ALL_TIMEOUT` or as long; one that reports to another has nothing to say but that. Figures
//! are added up only where intervals are equally long: those that most have count, whoever answers first.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use overlay::{AdvertisementKind, DiscoveryQuery, PeerId};
use tokio::time::timeout;

use super::SERVICE;
use super::checking::{Checker, Root};
use crate::aggregate::{Checks, TREE_HANDLER, Totals, TotalsAnswer, TreeAnswer, TreeQuestion};
use crate::error::GetError;
use crate::limits::{AGGREGATORS_MAX, CHECKS_MAX, GET_ALL_TIMEOUT, LEDGER_INTERVALS_KEPT, TOTALS_KEPT};
use crate::net::Manager;

impl Manager {
    /// The figures that the roots of the group's trees keep, of at most the last `TOTALS_KEPT` intervals; looks for
    /// aggregators for at most `deadline`, and reads each for at most `GET_ALL_TIMEOUT`.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn totals(&self, deadline: Duration) -> Totals {
        self.gather(deadline).await.0
    }

    /// As [`totals`](Self::totals), and `checks` spot checks, at most `CHECKS_MAX`, of whether aggregators counted what
    /// their children say that they have reported; a check asks some peers on its way, each within `CHECK_TIMEOUT` and all
    /// within `CHECK_ALL_TIMEOUT`. There are none without a root or an agent.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn checked_totals(&self, deadline: Duration, checks: u32) -> (Totals, Checks) {
        let agents = async { if checks > 0 { self.agents(deadline).await } else { Vec::new() } };
        let ((totals, roots), agents) = futures::future::join(self.gather(deadline), agents).await;
        let agents: Vec<PeerId> = agents.iter().map(|agent| agent.peer).collect();
        let checker = Checker::new(self, roots, totals.length());
        let checks = checker.run(checks.min(CHECKS_MAX), &agents).await;
        (totals, checks)
    }

    async fn gather(&self, deadline: Duration) -> (Totals, Vec<Root>) {
        let aggregators = self.aggregators(deadline).await;
        let (found, mut roots, mut unanswered) = (aggregators.len(), 0, 0);
        let mut answered = Answered::default();
        let asking = futures::stream::iter(aggregators)
            .map(async |aggregator| (aggregator, self.totals_of(aggregator).await));
        let mut answers = asking.buffer_unordered(AT_ONCE);
        while let Some((peer, answer)) = answers.next().await {
            match answer {
                Ok(pages) => {
                    roots += usize::from(pages.iter().all(|page| page.above.is_none()));
                    answered.put(peer, pages);
                }
                Err(error) => {
                    unanswered += 1;
                    tracing::debug!(reason = %error, "aggregator did not answer");
                }
            }
        }
        let (mut totals, checked) = answered.agreed();
        (totals.aggregators, totals.roots, totals.unanswered) = (found, roots, unanswered);
        (totals, checked)
    }

    async fn aggregators(&self, deadline: Duration) -> Vec<PeerId> {
        let query = DiscoveryQuery::new()
            .kind(AdvertisementKind::Service)
            .equals("service", SERVICE)
            .threshold(AGGREGATORS_MAX)
            .deadline(deadline);
        let found = self.group().discover(query);
        let mut aggregators: Vec<PeerId> = found.map(|signed| signed.publisher()).collect().await;
        aggregators.sort_unstable();
        aggregators.dedup();
        aggregators
    }

    /// The pages of one aggregator's answer.
    async fn totals_of(&self, aggregator: PeerId) -> Result<Vec<TotalsAnswer>, GetError> {
        let within = self.patience().max(GET_ALL_TIMEOUT);
        read(within, |after| self.totals_page(aggregator, after).boxed()).await
    }

    /// A page of one aggregator's answer, of the intervals after `after`. It is believed only if it has the role.
    async fn totals_page(&self, aggregator: PeerId, after: u64) -> Result<TotalsAnswer, GetError> {
        let (group, question) = (self.group().id(), TreeQuestion::Totals { after }.encode()?);
        let answer = self.peer().query(aggregator, &group, TREE_HANDLER, question, self.patience()).await?;
        let role = self.group().role_of(&aggregator).map(crate::access::ManagementRole::from_overlay);
        let TreeAnswer::Totals(page) = TreeAnswer::decode(&answer)? else {
            return Err(overlay::wire::WireError::Malformed.into());
        };
        if !role.is_some_and(|role| super::aggregates(crate::access::Access::Member(role))) {
            tracing::warn!(peer = %aggregator, "calls itself an aggregator without the role");
            return Err(overlay::QueryError::NoHandler.into());
        }
        Ok(page)
    }
}

/// All pages that `ask` gives of the intervals after a number, if they come `within` this time.
async fn read<'a>(
    within: Duration,
    ask: impl Fn(u64) -> BoxFuture<'a, Result<TotalsAnswer, GetError>>,
) -> Result<Vec<TotalsAnswer>, GetError> {
    let reading = async {
        let (mut pages, mut after) = (Vec::new(), 0);
        loop {
            let page = ask(after).await?;
            let last = page.reports.iter().map(|report| report.stamp.interval).max();
            let more = page.more && last.is_some_and(|last| last > after);
            after = last.unwrap_or(after);
            pages.push(page);
            if !more || pages.len() >= TOTALS_KEPT {
                return Ok(pages);
            }
        }
    };
    timeout(within, reading).await.map_err(|_| GetError::TimedOut { after: within })?
}

/// What those answered that keep reports, by how long their intervals are.
#[derive(Default)]
struct Answered(BTreeMap<Duration, (Totals, Vec<Root>)>);

impl Answered {
    /// Takes in the pages of one, all of one length.
    fn put(&mut self, peer: PeerId, pages: Vec<TotalsAnswer>) {
        let Some(length) = pages.iter().find(|page| !page.reports.is_empty()).map(|page| page.length) else {
            return;
        };
        let pages = pages.into_iter().filter(|page| page.length == length);
        let mut reports: Vec<_> = pages.flat_map(|page| page.reports).collect();
        let (totals, roots) = self.0.entry(length).or_default();
        reports.iter().for_each(|report| totals.add(length, report));
        reports.drain(..reports.len().saturating_sub(CHECKED_INTERVALS));
        roots.push(Root { peer, reports });
    }

    /// The figures of those whose intervals are as long as most have them, and who they are. Of two lengths that as many
    /// have, the longer.
    fn agreed(self) -> (Totals, Vec<Root>) {
        let all: usize = self.0.values().map(|(_, roots)| roots.len()).sum();
        let most = self.0.into_values().max_by_key(|(_, roots)| roots.len());
        let (mut totals, roots) = most.unwrap_or_default();
        totals.left_out = all - roots.len();
        (totals, roots)
    }
}

/// Aggregators that are asked at the same time.
const AT_ONCE: usize = 16;

/// Of the last so many intervals of a root one is checked: aggregators still know them on all levels.
const CHECKED_INTERVALS: usize = LEDGER_INTERVALS_KEPT / 2;

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;
    use crate::aggregate::{Report, Stamp};

    fn page(length: u64, interval: u64, more: bool) -> TotalsAnswer {
        let reports = vec![Report::of_one(Stamp { interval, boot: 1 })];
        TotalsAnswer { length: Duration::from_secs(length), above: None, reports, more }
    }

    #[tokio::test]
    async fn an_aggregator_that_always_has_a_page_more_is_not_read_for_ever() {
        let endless = |after| match after {
            0..3 => ready(Ok(page(60, after + 1, true))).boxed(),
            _ => pending().boxed(),
        };
        let read_on = read(Duration::from_millis(10), endless).await;
        assert!(matches!(read_on, Err(GetError::TimedOut { .. })), "{read_on:?}");
        let three = |after| ready(Ok(page(60, after + 1, after < 2))).boxed();
        let pages = read(GET_ALL_TIMEOUT, three).await.unwrap();
        assert_eq!(pages, [page(60, 1, true), page(60, 2, true), page(60, 3, false)]);
    }

    #[test]
    fn the_length_of_intervals_that_most_have_counts_whoever_answers_first() {
        let roots = [(1, 100), (60, 5), (60, 5), (1, 100)].map(|(length, at)| (PeerId::random(), length, at));
        for first in [0, 1] {
            let mut answered = Answered::default();
            answered.put(PeerId::random(), vec![TotalsAnswer { reports: Vec::new(), ..page(7, 0, false) }]);
            for (peer, length, at) in &roots[first..first + 3] {
                answered.put(*peer, vec![page(*length, *at, false)]);
            }
            let (totals, checked) = answered.agreed();
            assert_eq!((totals.length(), totals.left_out), (Duration::from_secs(60), 1));
            assert_eq!(totals.last().map(|(at, total)| (at, total.reporting)), Some((5, 2)));
            let checked: Vec<PeerId> = checked.iter().map(|root| root.peer).collect();
            assert_eq!(checked, [roots[1].0, roots[2].0]);
        }
        assert_eq!(Answered::default().agreed().0, Totals::default());
    }
}
