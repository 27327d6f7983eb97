//! A collection: a manager's subscriptions to every agent, and the one sink that they fill.
//!
//! In: agents as they appear. Out: committed records, a summary. One task looks for agents, one task follows each of them,
//! one thread commits. Ended by [`Collection::stop`], by its sink's failure, or at once by dropping it.

mod agents;
mod collector;
mod sink;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use overlay::PeerId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{self, JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::agents::Agents;
use self::collector::{Collector, asked_to_end};
use self::sink::SinkHandle;
use super::counters::CollectionCounters;
use super::manager::{AgentInfo, Manager};
use crate::jmx::ObjectNamePattern;
use crate::limits::{AGENTS_LOOKUP_INTERVAL, AGENTS_LOOKUP_TIMEOUT, FLUSH_TIMEOUT};
use crate::protocol::Said;

pub use sink::{RecordSink, Resume};

/// Records being collected. Dropping it ends it at once; what agents sent and was not committed, they keep for a while.
#[derive(Debug)]
pub struct Collection {
    shared: Arc<Shared>,
    ending: watch::Sender<Option<Ending>>,
    watching: Arc<watch::Sender<usize>>,
    standing: bool,
    running: JoinHandle<()>,
    failure: oneshot::Receiver<std::io::Error>,
}

/// Somebody watches a collection, until this is dropped.
#[derive(Debug)]
pub struct Watching(Arc<watch::Sender<usize>>);

impl Watching {
    fn begin(watching: &Arc<watch::Sender<usize>>) -> Self {
        watching.send_modify(|count| *count += 1);
        Self(watching.clone())
    }
}

impl Clone for Watching {
    fn clone(&self) -> Self {
        Self::begin(&self.0)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// How a manager collects.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Agents gather a minute, and keep what they measure while the manager is away; see [`Manager::collect_standing`].
    pub standing: bool,
    /// Where what monitors said goes as it comes; while there is no room, records of that agent wait too.
    pub notices: Option<mpsc::Sender<Heard>>,
}

/// What the monitors of an agent said, each crossing once in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Which agent, by the id under which this manager sees it.
    pub peer: PeerId,
    /// Whether the agent is heard for the first time since its start: what its monitors said before is over.
    pub anew: bool,
    /// The numbers of the monitors that it has now.
    pub monitors: Vec<u64>,
    /// What they said; at first what the agent remembers.
    pub said: Vec<Said>,
    /// Crossings in between that the agent forgot before it could tell.
    pub lost: u64,
}

/// How a collection is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ending {
    /// Agents flush, and keep what they measure from then on; otherwise they keep nothing.
    leaves: bool,
    /// How long they may take.
    within: Duration,
}

/// What a collection has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CollectionSummary {
    /// Agents that delivered at least one batch.
    pub agents: u64,
    /// Records committed.
    pub records: u64,
    /// Transactions for which those stand besides themselves, where an agent sends a sample.
    pub folded: u64,
    /// Records that agents lost because they were not taken in time.
    pub dropped: u64,
    /// Agents that did not flush in time at the end.
    pub unflushed: u64,
}

/// How a collection ended.
#[derive(Debug)]
pub struct CollectionEnd {
    /// What it has brought.
    pub summary: CollectionSummary,
    /// What the sink failed with, if it did; then later records were not committed.
    pub failure: Option<std::io::Error>,
}

/// What the tasks of one collection share.
#[derive(Debug, Default)]
struct Shared {
    counters: CollectionCounters,
    agents: Mutex<Agents>,
}

impl Collection {
    pub(super) fn start(
        manager: Manager,
        pattern: ObjectNamePattern,
        sink: Box<dyn RecordSink>,
        Wish { standing, notices }: Wish,
    ) -> Self {
        let (ending, asked) = watch::channel(None);
        let (watching, watched) = watch::channel(0);
        let (sink, resumed, failure) = SinkHandle::start(sink);
        let shared = Arc::new(Shared::default());
        let lookout = Lookout {
            manager,
            pattern,
            sink,
            ending: asked,
            watching: watched,
            shared: shared.clone(),
            following: JoinSet::new(),
            collecting_since: Instant::now(),
            standing,
            notices,
        };
        let running = tokio::spawn(lookout.run(resumed));
        Self { shared, ending, watching: Arc::new(watching), standing, running, failure }
    }

    /// The agents found so far, gone ones included.
    #[must_use]
    pub fn agents(&self) -> Vec<AgentInfo> {
        self.shared.lock().all_known()
    }

    /// The agents to which there is a pipe now: those that would send what they measure.
    #[must_use]
    pub fn reached(&self) -> HashSet<PeerId> {
        self.shared.lock().reached.clone()
    }

    /// As [`Self::agents`], those of [`Self::reached`] alone: who is gone costs whoever asks it a time-out.
    #[must_use]
    pub fn agents_reached(&self) -> Vec<AgentInfo> {
        self.shared.lock().all_reached()
    }

    /// What has been collected so far.
    #[must_use]
    pub fn summary(&self) -> CollectionSummary {
        let agents = self.shared.lock();
        CollectionSummary {
            agents: agents.delivered(),
            records: self.shared.counters.records.get(),
            folded: self.shared.counters.records_folded.get(),
            dropped: agents.dropped().saturating_sub(agents.dropped_before),
            unflushed: self.shared.counters.unflushed.get(),
        }
    }

    /// What the collection counts, by name.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.shared.counters.snapshot()
    }

    /// Waits until the sink fails; for ever while it does not.
    ///
    /// # Cancel safety
    /// Safe until it has answered.
    pub async fn failed(&mut self) -> std::io::Error {
        match (&mut self.failure).await {
            Ok(error) => error,
            Err(_) => std::future::pending().await,
        }
    }

    /// Somebody watches from now on, until the answer is dropped: meanwhile agents send each record within a second, also
    /// for a standing collection, for which they otherwise gather a minute's. Behind what an agent has on its disk for
    /// this manager, records still wait their turn.
    #[must_use]
    pub fn watching(&self) -> Watching {
        Watching::begin(&self.watching)
    }

    /// Asks all agents to flush, commits what they send within `FLUSH_TIMEOUT`, and ends; agents keep nothing for it.
    ///
    /// # Cancel safety
    /// Dropping the future ends the collection at once.
    pub async fn stop(self) -> CollectionEnd {
        self.stop_within(FLUSH_TIMEOUT).await
    }

    /// As [`Self::stop`], where agents have another time than `FLUSH_TIMEOUT`.
    ///
    /// # Cancel safety
    /// Dropping the future ends the collection at once.
    pub async fn stop_within(self, within: Duration) -> CollectionEnd {
        self.end(Ending { leaves: false, within }).await
    }

    /// As [`Self::stop`], but a standing collection stays subscribed: what agents measure from now on they keep on their
    /// disks for the next run. Any other ends.
    ///
    /// # Cancel safety
    /// Dropping the future ends the collection at once.
    pub async fn leave(self) -> CollectionEnd {
        self.leave_within(FLUSH_TIMEOUT).await
    }

    /// As [`Self::leave`], where agents have another time than `FLUSH_TIMEOUT`.
    ///
    /// # Cancel safety
    /// Dropping the future ends the collection at once.
    pub async fn leave_within(self, within: Duration) -> CollectionEnd {
        let leaves = self.standing;
        self.end(Ending { leaves, within }).await
    }

    async fn end(mut self, ending: Ending) -> CollectionEnd {
        // Nobody listens when the task has ended already, which is what is wanted.
        let _ = self.ending.send(Some(ending));
        if let Err(error) = (&mut self.running).await
            && error.is_panic()
        {
            tracing::error!(%error, "collection failed");
        }
        CollectionEnd { summary: self.summary(), failure: self.failure.try_recv().ok() }
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Shared {
    // No user code runs under the lock, so a poisoned one still holds whole tables.
    fn lock(&self) -> std::sync::MutexGuard<'_, Agents> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that looks for agents and starts to follow each.
struct Lookout {
    manager: Manager,
    pattern: ObjectNamePattern,
    sink: SinkHandle,
    ending: watch::Receiver<Option<Ending>>,
    watching: watch::Receiver<usize>,
    shared: Arc<Shared>,
    following: JoinSet<PeerId>,
    collecting_since: Instant,
    standing: bool,
    notices: Option<mpsc::Sender<Heard>>,
}

impl Lookout {
    async fn run(mut self, resumed: oneshot::Receiver<Option<Resume>>) {
        // A sink that can't say what it has kept has failed, and is reported as such.
        let Ok(resumed) = resumed.await else { return };
        let Some(subscription) = self.go_on(resumed) else {
            tracing::error!("the operating system gives no random numbers");
            return;
        };
        let mut followed = HashMap::new();
        let mut looks = interval(AGENTS_LOOKUP_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = asked_to_end(&mut self.ending) => break,
                Some(ended) = self.following.join_next() => match ended {
                    Ok(peer) => {
                        followed.remove(&peer);
                    }
                    Err(error) => {
                        tracing::error!(%error, "following an agent failed");
                        // The next look starts again with it.
                        for (peer, _) in followed.extract_if(|_, task| *task == error.id()) {
                            self.shared.lock().reached.remove(&peer);
                        }
                    }
                },
                agents = look(&self.manager, &mut looks) => {
                    let beyond = self.remember(&agents, |peer| followed.contains_key(peer));
                    for agent in agents.into_iter().filter(|agent| !beyond.contains(&agent.peer)) {
                        if let Entry::Vacant(place) = followed.entry(agent.peer) {
                            place.insert(self.follow(agent.peer, subscription));
                        }
                    }
                }
            }
            self.shared.counters.agents.set(self.following.len() as u64);
        }
        // Each task flushes on its own; what is not done in time is cut off.
        let (within, leaves) =
            self.ending.borrow().map_or((FLUSH_TIMEOUT, true), |end| (end.within, end.leaves));
        let ended = timeout(within, async { while self.following.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            self.shared.counters.unflushed.add(self.following.len() as u64);
            self.following.shutdown().await;
        }
        self.sink.close(!leaves).await;
    }

    /// Goes on where an earlier run was; the number of the subscription.
    fn go_on(&self, resumed: Option<Resume>) -> Option<u64> {
        let Some(Resume { subscription, inboxes }) = resumed else { return getrandom::u64().ok() };
        let mut agents = self.shared.lock();
        for (peer, inbox, away) in inboxes {
            agents.inboxes.insert(peer, inbox);
            if let Some(left_at) = self.collecting_since.checked_sub(away) {
                agents.left_at.insert(peer, left_at);
            }
        }
        agents.dropped_before = agents.dropped();
        Some(subscription)
    }

    /// Notes what a look found; those beyond the bound.
    fn remember(&self, found: &[AgentInfo], is_followed: impl Fn(&PeerId) -> bool) -> HashSet<PeerId> {
        let mut agents = self.shared.lock();
        let beyond = agents.remember(found, is_followed);
        let counters = &self.shared.counters;
        counters.agents_beyond.set(beyond.len() as u64);
        counters.pseudonyms_contested.set(agents.contesting());
        beyond
    }

    fn follow(&mut self, agent: PeerId, subscription: u64) -> task::Id {
        let collector = Collector {
            group: self.manager.group().clone(),
            patience: self.manager.patience(),
            agent,
            sees_pseudonyms: self.manager.sees_pseudonyms(),
            subscription,
            pattern: self.pattern.clone(),
            sink: self.sink.clone(),
            ending: self.ending.clone(),
            watching: self.watching.clone(),
            shared: self.shared.clone(),
            collecting_since: self.collecting_since,
            standing: self.standing,
            notices: self.notices.clone(),
        };
        let task = self.following.spawn(async move {
            collector.run().await;
            agent
        });
        task.id()
    }
}

/// The agents that the next look finds.
async fn look(manager: &Manager, looks: &mut tokio::time::Interval) -> Vec<AgentInfo> {
    looks.tick().await;
    manager.claims(AGENTS_LOOKUP_TIMEOUT).await
}
