//! Spot checks of a manager: down from a root to a peer that measures, up from one to a root.
//!
//! In: the roots with their last reports, peers that measure. Out: [`Checks`]. Each question takes at most `CHECK_TIMEOUT`,
//! each check `CHECK_ALL_TIMEOUT`; one check asks at most two peers on each level, and each aggregator shows what is in one of
//! its reports once, in as many pages as it takes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use overlay::{PeerId, QueryError};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::random;
use crate::aggregate::{
    Brief, Check, Checks, Finding, Lie, NotCheckable, Part, Report, Saying, Stamp, TOLD_HANDLER,
    TREE_HANDLER, ToldAnswer, TreeAnswer, TreeQuestion, Which, agree, contradiction, counted, holding,
    sums_up,
};
use crate::limits::{AGGREGATOR_LEVEL_MAX, CHECK_ALL_TIMEOUT, CHECK_TIMEOUT, PARTS_PAGES_MAX};
use crate::net::Manager;

/// A root as it answered: its last reports.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) peer: PeerId,
    pub(super) reports: Vec<Report>,
}

/// The checks of one look at the totals.
pub(super) struct Checker<'a> {
    manager: &'a Manager,
    roots: Vec<Root>,
    /// How long an interval is.
    length: Duration,
    shown: Mutex<Shown>,
    questions: AtomicU64,
    bytes: AtomicU64,
}

/// What aggregators said is in their reports, each asked once.
type Shown = HashMap<(PeerId, Stamp), Arc<OnceCell<Result<Arc<Counted>, NotCheckable>>>>;

/// What an aggregator said is in one of its reports.
struct Counted {
    parts: Vec<Part>,
    /// Which interval it was there, and when it said so.
    at: (u64, Instant),
}

impl<'a> Checker<'a> {
    pub(super) fn new(manager: &'a Manager, roots: Vec<Root>, length: Duration) -> Self {
        let (questions, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { manager, roots, length, shown: Mutex::default(), questions, bytes }
    }

    /// Checks `wanted` times, down and up in turns, as chance has it: nobody knows before who is asked for what.
    pub(super) async fn run(self, wanted: u32, agents: &[PeerId]) -> Checks {
        let this = &self;
        let checking = futures::stream::iter(0..wanted).map(async |number| {
            let draw = random().unwrap_or(0);
            let upward = number % 2 == 1 || this.roots.is_empty();
            if upward && let Some(agent) = pick(agents, draw) {
                this.up(*agent).await
            } else {
                this.down(draw).await
            }
        });
        let mut checks: Vec<Check> =
            checking.buffer_unordered(AT_ONCE).filter_map(async |check| check).collect().await;
        checks.sort_by(|one, other| (one.interval, &one.path).cmp(&(other.interval, &other.path)));
        let (questions, bytes) = (self.questions.into_inner(), self.bytes.into_inner());
        Checks { checks, questions, bytes }
    }

    /// From what a root has kept down to a peer that measures.
    async fn down(&self, draw: u64) -> Option<Check> {
        let root = pick(&self.roots, draw)?;
        let draw = draw / self.roots.len().max(1) as u64;
        let report = pick(&root.reports, draw)?;
        let mut path = vec![root.peer];
        let draw = draw / root.reports.len().max(1) as u64;
        let finding =
            in_time(CHECK_ALL_TIMEOUT, &mut path, async |path| self.descend(path, report, draw).await).await;
        Some(Check { interval: report.stamp.interval, down: true, path, finding })
    }

    async fn descend(&self, path: &mut Vec<PeerId>, report: &Report, draw: u64) -> Result<(), Finding> {
        let (mut said, mut draw) = (report.clone(), draw);
        for _ in 0..=AGGREGATOR_LEVEL_MAX {
            let Some(aggregator) = path.last().copied() else { break };
            let shown = self.parts(aggregator, &said).await?;
            let Some(part) = pick(&shown.parts, draw) else { return Ok(()) };
            draw /= shown.parts.len() as u64;
            path.push(part.child);
            let told = self.told(part.child, Which::Stamped(part.report.stamp)).await;
            let told = told.map_err(|why| Finding::NotCheckable(part.child, why))?;
            counted(aggregator, part, &told, self.age(&shown, part))?;
            if part.level == 0 {
                return Ok(());
            }
            said = part.report.clone();
        }
        let last = path.last().copied().unwrap_or(self.manager.peer().id());
        Err(Finding::NotCheckable(last, NotCheckable::TooMuch))
    }

    /// From a peer that measures up to a root.
    async fn up(&self, agent: PeerId) -> Option<Check> {
        let (mut path, asked) = (vec![agent], Instant::now());
        let (finding, interval) = match self.told(agent, Which::HandedOn).await {
            Err(why) => (Finding::NotCheckable(agent, why), 0),
            Ok(ToldAnswer { saying: None, .. }) => (Finding::NotCheckable(agent, NotCheckable::TooEarly), 0),
            Ok(ToldAnswer { saying: Some(saying), .. }) => {
                let interval = saying.report.stamp.interval;
                (
                    in_time(CHECK_ALL_TIMEOUT, &mut path, async |path| {
                        self.climb(path, (saying, asked)).await
                    })
                    .await,
                    interval,
                )
            }
        };
        Some(Check { interval, down: false, path, finding })
    }

    /// `saying` was asked for at `asked`: what it says of the past may have been said so long ago.
    async fn climb(
        &self,
        path: &mut Vec<PeerId>,
        (mut saying, mut asked): (Saying, Instant),
    ) -> Result<(), Finding> {
        for _ in 0..=AGGREGATOR_LEVEL_MAX {
            let Some(child) = path.last().copied() else { break };
            if saying.kept && path.len() > 1 {
                return self.at_the_top(child, &saying.report);
            }
            let Some(parent) = saying.to.last().copied().filter(|_| saying.handed_on && !saying.kept) else {
                return Err(Finding::NotCheckable(child, NotCheckable::TooEarly));
            };
            let asking = Instant::now();
            path.push(parent);
            let mark = saying.report.stamp.mark(&child);
            let told = self
                .told(parent, Which::Holding(mark))
                .await
                .map_err(|why| Finding::NotCheckable(parent, why))?;
            let own = holding(parent, (child, &saying, asked.elapsed()), &told)?.clone();
            let shown = self.parts(parent, &own.report).await?;
            let of_it = |part: &&Part| part.child == child && part.report.stamp == saying.report.stamp;
            let part = shown.parts.iter().find(of_it);
            let part = part.ok_or(Finding::NotCheckable(parent, NotCheckable::Forgotten))?;
            if !agree(part, &saying.report) {
                let briefs = (Some(Brief::of(&part.report)), Some(Brief::of(&saying.report)));
                return Err(contradiction(parent, Some(child), Lie::Changed, briefs));
            }
            (saying, asked) = (own, asking);
        }
        let last = path.last().copied().unwrap_or(self.manager.peer().id());
        Err(Finding::NotCheckable(last, NotCheckable::TooMuch))
    }

    /// What a root says that it keeps is what it gave to the totals, as far as these go back.
    fn at_the_top(&self, root: PeerId, kept: &Report) -> Result<(), Finding> {
        let of_it = self.roots.iter().filter(|known| known.peer == root).flat_map(|known| &known.reports);
        match of_it.clone().find(|report| report.stamp == kept.stamp) {
            Some(given) if given == kept => Ok(()),
            Some(given) => {
                let briefs = (Some(Brief::of(given)), Some(Brief::of(kept)));
                Err(contradiction(root, None, Lie::Sum, briefs))
            }
            None => Ok(()),
        }
    }

    /// What `aggregator` counted in its report `said`, which must be the sum of it.
    async fn parts(&self, aggregator: PeerId, said: &Report) -> Result<Arc<Counted>, Finding> {
        let key = (aggregator, said.stamp);
        let answer = self.shown().entry(key).or_default().clone();
        let shown = answer.get_or_init(async || self.pages(aggregator, said.stamp).await.map(Arc::new)).await;
        let shown = shown.clone().map_err(|why| Finding::NotCheckable(aggregator, why))?;
        sums_up(aggregator, said, &shown.parts).map(|()| shown)
    }

    async fn pages(&self, aggregator: PeerId, stamp: Stamp) -> Result<Counted, NotCheckable> {
        let (mut parts, now) = (Vec::new(), Instant::now());
        for _ in 0..PARTS_PAGES_MAX {
            let from = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            let question = TreeQuestion::Parts { stamp, from };
            let TreeAnswer::Parts(answer) = self.ask(aggregator, TREE_HANDLER, &question).await? else {
                return Err(NotCheckable::Refuses);
            };
            let empty = answer.page.parts.is_empty();
            parts.extend(answer.page.parts);
            if !answer.page.more || empty {
                return Ok(Counted { parts, at: (answer.at, now) });
            }
        }
        Err(NotCheckable::TooMuch)
    }

    async fn told(&self, peer: PeerId, which: Which) -> Result<ToldAnswer, NotCheckable> {
        match self.ask(peer, TOLD_HANDLER, &TreeQuestion::Told(which)).await? {
            TreeAnswer::Told(told) => Ok(told),
            _ => Err(NotCheckable::Refuses),
        }
    }

    async fn ask(
        &self,
        peer: PeerId,
        handler: &str,
        question: &TreeQuestion,
    ) -> Result<TreeAnswer, NotCheckable> {
        let refuses = NotCheckable::Refuses;
        let Ok(question) = question.encode() else { return Err(refuses) };
        let group = self.manager.group();
        self.questions.fetch_add(1, Ordering::Relaxed);
        let answer = self.manager.peer().query(peer, &group.id(), handler, question, CHECK_TIMEOUT).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(QueryError::Refused(_) | QueryError::NoHandler) if group.role_of(&peer).is_none() => {
                return Err(NotCheckable::NoMember);
            }
            Err(QueryError::Refused(_) | QueryError::NoHandler | QueryError::Failed) => return Err(refuses),
            Err(error) => {
                tracing::debug!(%peer, reason = %error, "not checkable");
                return Err(NotCheckable::Unreachable);
            }
        };
        self.bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
        if group.role_of(&peer).is_none() {
            return Err(NotCheckable::NoMember);
        }
        TreeAnswer::decode(&answer).map_err(|_| refuses)
    }

    /// How long ago the child can have sent `part` at most: an aggregator takes no report of the future.
    fn age(&self, shown: &Counted, part: &Part) -> Duration {
        let (at, asked) = shown.at;
        let intervals = at.saturating_sub(part.report.stamp.interval).saturating_add(2);
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        self.length.saturating_mul(intervals).saturating_add(asked.elapsed())
    }

    // Nothing in here panics while it is locked.
    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of a `way` that is over `within` this time; else whoever it came to has more to show than is looked at.
async fn in_time(
    within: Duration,
    path: &mut Vec<PeerId>,
    way: impl AsyncFnOnce(&mut Vec<PeerId>) -> Result<(), Finding>,
) -> Finding {
    let found = timeout(within, way(path)).await;
    match (found, path.last()) {
        (Err(_), Some(last)) => Finding::NotCheckable(*last, NotCheckable::TooMuch),
        (Ok(Err(found)), _) => found,
        (Ok(Ok(())) | Err(_), _) => Finding::Agrees,
    }
}

/// One of `all`, by chance.
fn pick<T>(all: &[T], draw: u64) -> Option<&T> {
    let at = draw.checked_rem(all.len() as u64)?;
    all.get(usize::try_from(at).ok()?)
}

/// Checks that are made at the same time.
const AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_of_who_always_shows_more_ends_and_names_it() {
        let (root, below) = (PeerId::random(), PeerId::random());
        let mut path = vec![root];
        let endless = async |path: &mut Vec<PeerId>| {
            path.push(below);
            std::future::pending().await
        };
        let found = in_time(Duration::from_millis(10), &mut path, endless).await;
        assert_eq!((found, path), (Finding::NotCheckable(below, NotCheckable::TooMuch), vec![root, below]));
        let agrees = in_time(CHECK_ALL_TIMEOUT, &mut vec![root], async |_| Ok(())).await;
        assert_eq!(agrees, Finding::Agrees);
    }
}
