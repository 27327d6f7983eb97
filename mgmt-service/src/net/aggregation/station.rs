//! An aggregator at work: takes children, closes intervals, hands sums on or, at the root, keeps them.
//!
//! In: pipes of children, what they say, questions, what its own parent says. Out: sums, answers. One task; each child's pipe
//! is a task of its own, and so is the way up. At most `AGGREGATOR_CHILDREN_MAX` children and `TOTALS_KEPT` intervals.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use overlay::{AdvertisementKind, Peer, PeerGroup, PeerId, PipeListener, Queries};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::sleep_until;

use super::climbing::{Above, Climbed, Climber};
use super::link::{self, Heard, Said};
use super::publishing::{publish, publish_until_taken};
use super::seeking::Seeker;
use super::telling::{Remembered, Teller};
use super::{aggregates, random, unix};
use crate::access::Access;
use crate::aggregate::{
    Admitted, Aggregator, Beat, Fate, FromParent, Ledger, Newcomer, Offered, Report, TREE_HANDLER, Uplink,
    tree_pipe_id,
};
use crate::error::AggregateError;
use crate::limits::{
    AGGREGATION_GRACE_SHARE, AGGREGATOR_CHILDREN_MAX, AGGREGATOR_LEVEL_MAX, CHILD_MESSAGES_MAX, REPORTS_KEPT,
    SUBSCRIBING_MAX, TOTALS_KEPT, TREE_LINK_QUEUE,
};
use crate::net::ManagementGroup;
use crate::net::counters::{AggregatorCounters, ChildCounters};

/// An aggregator of a management group. Dropping it ends it at once, as its death would: its children find another one.
#[derive(Debug)]
pub struct AggregatorNode {
    group: PeerGroup,
    tasks: [JoinHandle<()>; 4],
    above: watch::Receiver<Above>,
    pub(super) counters: Arc<AggregatorCounters>,
    pub(super) child: Arc<ChildCounters>,
}

impl AggregatorNode {
    /// Starts an aggregator at `peer` with intervals of `length`, which all of one group share. It reports to one of the
    /// next level above `level` (1 to [`AGGREGATOR_LEVEL_MAX`]; 0 is that of peers that measure) while there is any, and
    /// keeps its sums for managers otherwise. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`AggregateError`].
    pub async fn spawn(
        peer: &Peer,
        place: &ManagementGroup,
        level: u8,
        length: Duration,
    ) -> Result<Self, AggregateError> {
        if !place.role().is_some_and(|role| aggregates(Access::Member(role))) {
            return Err(AggregateError::Role);
        }
        if !(1..=AGGREGATOR_LEVEL_MAX).contains(&level) {
            return Err(AggregateError::Level { level, max: AGGREGATOR_LEVEL_MAX });
        }
        let now = Instant::now();
        let beat = Beat::of_clock(now, unix(), length);
        if beat.length() != length {
            return Err(AggregateError::Interval);
        }
        let boot = random().map_err(|error| AggregateError::Random(error.to_string()))?;
        let group = place.group().clone();
        let queries = peer.register_handler(TREE_HANDLER)?;
        let listener = group.bind(tree_pipe_id(&group.id(), &peer.id()))?;
        let (above, seen) = watch::channel(Above::Unknown);
        let ((out, reports), (climbed, news)) = (mpsc::channel(REPORTS_KEPT), mpsc::channel(REPORTS_KEPT));
        let (counters, child) = (Arc::new(AggregatorCounters::default()), Arc::new(ChildCounters::default()));
        let expected = Arc::new(AtomicU64::new(0));
        let remembered = Remembered::new();
        let teller = Teller::new(peer, place, &remembered, &child);
        let climber = Climber {
            seeker: Seeker { peer: peer.clone(), place: place.clone(), boot, level, length: Some(length) },
            uplink: Uplink::default(),
            remembered: remembered.clone(),
            reports,
            above,
            climbed: Some(climbed),
            expected: expected.clone(),
            former: None,
            counters: child.clone(),
        };
        let (heard, hearing) = mpsc::channel(TREE_LINK_QUEUE);
        let station = Station {
            peer: peer.clone(),
            place: place.clone(),
            node: Aggregator::new(boot, level, beat.at(now).0.saturating_sub(1)),
            level,
            boot,
            beat,
            links: HashMap::new(),
            accepted: 0,
            serving: JoinSet::new(),
            doubting: JoinSet::new(),
            heard,
            kept: VecDeque::new(),
            ledger: Ledger::default(),
            remembered,
            unsent: VecDeque::new(),
            expected,
            above: seen.clone(),
            counters: counters.clone(),
        };
        publish(&group, level, &counters).await;
        let renewing = publish_until_taken(group.clone(), level, counters.clone());
        let tasks = [
            tokio::spawn(station.run(listener, queries, hearing, news, out)),
            tokio::spawn(climber.run()),
            tokio::spawn(teller.run()),
            tokio::spawn(renewing),
        ];
        Ok(Self { group, tasks, above: seen, counters, child })
    }

    /// What it counts, by name.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.counters.snapshot()
    }

    /// What it counts on its own way up, by name.
    #[must_use]
    pub fn upward_counters(&self) -> Vec<(&'static str, u64)> {
        self.child.snapshot()
    }

    /// The aggregator that it reports to; none at a root.
    #[must_use]
    pub fn parent(&self) -> Option<PeerId> {
        match *self.above.borrow() {
            Above::Parent(peer, _) => Some(peer),
            Above::Unknown | Above::Nobody => None,
        }
    }

    /// Ends it after telling the group that it is no aggregator any more.
    ///
    /// # Cancel safety
    /// Dropping the future ends it at once.
    pub async fn shutdown(self) {
        // Who did not hear of it tries in vain, and then the next one.
        let _ = self.group.withdraw_key(AdvertisementKind::Service, TREE_HANDLER).await;
    }
}

impl Drop for AggregatorNode {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The task of an aggregator.
pub(super) struct Station {
    pub(super) peer: Peer,
    pub(super) place: ManagementGroup,
    pub(super) node: Aggregator,
    level: u8,
    boot: u64,
    pub(super) beat: Beat,
    pub(super) links: HashMap<PeerId, Link>,
    /// Pipes accepted so far.
    accepted: u64,
    serving: JoinSet<()>,
    /// Children that are asked whether they live.
    pub(super) doubting: JoinSet<()>,
    pub(super) heard: mpsc::Sender<Heard>,
    /// The sums of a root.
    pub(super) kept: VecDeque<Report>,
    /// What was counted, and in which reports it was handed on.
    pub(super) ledger: Ledger,
    pub(super) remembered: Remembered,
    /// Sums that the way up has no room for at the moment.
    unsent: VecDeque<Report>,
    expected: Arc<AtomicU64>,
    pub(super) above: watch::Receiver<Above>,
    pub(super) counters: Arc<AggregatorCounters>,
}

/// The pipe of a child.
pub(super) struct Link {
    pub(super) serial: u64,
    out: mpsc::Sender<Bytes>,
    /// What it said within an interval.
    said: (u64, u32),
    /// The last question whether it lives.
    pub(super) doubt: Option<AbortHandle>,
}

impl Station {
    async fn run(
        mut self,
        mut listener: PipeListener,
        mut queries: Queries,
        mut hearing: mpsc::Receiver<Heard>,
        mut news: mpsc::Receiver<Climbed>,
        out: mpsc::Sender<Report>,
    ) {
        loop {
            let room = self.serving.len() < AGGREGATOR_CHILDREN_MAX + SUBSCRIBING_MAX;
            let (next, due) = self.next_close();
            tokio::select! {
                pipe = listener.accept(), if room => match pipe {
                    Some(pipe) => {
                        self.accepted += 1;
                        self.serving.spawn(link::serve(pipe, self.accepted, self.heard.clone()));
                    }
                    None => return,
                },
                Some(_) = self.serving.join_next() => {}
                Some(heard) = hearing.recv() => self.hear(heard),
                query = queries.recv() => match query {
                    Some(query) => self.answer(query),
                    None => return,
                },
                news = news.recv() => match news {
                    Some(news) => self.climbed(news),
                    None => return,
                },
                permit = out.reserve(), if !self.unsent.is_empty() => {
                    if let (Ok(permit), Some(report)) = (permit, self.unsent.pop_front()) {
                        permit.send(report);
                    }
                }
                changed = self.above.changed() => match changed {
                    Ok(()) => self.follow(),
                    Err(_) => return,
                },
                () = sleep_until(due.into()) => self.close(next),
            }
        }
    }

    /// Which interval is closed next, and when: after its end by what the levels below need.
    fn next_close(&self) -> (u64, Instant) {
        let (current, _) = self.beat.at(Instant::now());
        // After a jump of the clock the intervals in between have nothing in them.
        let next = self.node.closed().saturating_add(1).max(current.saturating_sub(INTERVALS_BEHIND));
        let grace = self.beat.length() / AGGREGATION_GRACE_SHARE * u32::from(self.level);
        (next, self.beat.end_of(next) + grace)
    }

    fn close(&mut self, interval: u64) {
        let ledger = &mut self.ledger;
        let put = |child, level, report: &Report| ledger.put(interval, child, level, report);
        let sum = self.node.close_with(interval, put);
        self.counters.closed.set(interval);
        self.counters.reporting.set(sum.reporting);
        self.count_children();
        // That there is nobody any more has to be said as well, or those above would wait for them.
        self.unsent.push_back(sum);
        self.keep_to_clock();
    }

    fn count_children(&self) {
        self.counters.children.set(self.node.children() as u64);
        self.counters.expected.set(self.node.expected());
        self.expected.store(self.node.expected(), Ordering::Relaxed);
    }

    /// Counts as the parent does, and tells the children so.
    fn follow(&mut self) {
        if let Above::Parent(_, beat) = *self.above.borrow_and_update() {
            self.beat = beat;
            self.node.begin_after(beat.at(Instant::now()).0.saturating_sub(1));
        }
        let told = self.attached();
        self.tell_all(&told);
    }

    pub(super) fn attached(&self) -> FromParent {
        let above = match *self.above.borrow() {
            Above::Parent(peer, _) => Some(peer),
            Above::Unknown | Above::Nobody => None,
        };
        let (at, length) = (self.beat.at(Instant::now()), self.beat.length());
        FromParent::Attached { boot: self.boot, at, length, above }
    }

    fn climbed(&mut self, climbed: Climbed) {
        match climbed {
            Climbed::HandedOn(interval) => {
                self.tell_all(&FromParent::Said { interval, fate: Fate::HandedOn });
            }
            Climbed::Kept(report) => {
                let interval = report.stamp.interval;
                if report.expected == 0 && report.figures.is_empty() {
                    return;
                }
                if self.kept.len() >= TOTALS_KEPT {
                    self.kept.pop_front();
                    self.counters.totals_forgotten.add(1);
                }
                self.kept.push_back(report);
                self.tell_all(&FromParent::Said { interval, fate: Fate::HandedOn });
            }
            Climbed::Gone(boot) => {
                tracing::warn!("counted as dead by the aggregator above; begins anew");
                self.node = Aggregator::new(boot, self.level, self.node.closed());
                self.boot = boot;
                self.unsent.clear();
                self.links.clear();
                self.count_children();
            }
        }
    }

    fn hear(&mut self, Heard { child, serial, what }: Heard) {
        match what {
            Said::Attach(newcomer, out) => return self.attach(child, serial, newcomer, out),
            Said::Garbage => self.counters.children_flooding.add(1),
            Said::Report(_) | Said::Ended => {}
        }
        let Some(link) = self.links.get_mut(&child).filter(|link| link.serial == serial) else { return };
        let current = self.beat.at(Instant::now()).0;
        let Said::Report(report) = what else { return self.end(&child) };
        link.said = if link.said.0 == current { (current, link.said.1 + 1) } else { (current, 1) };
        if link.said.1 > CHILD_MESSAGES_MAX {
            self.counters.children_flooding.add(1);
            return self.end(&child);
        }
        let interval = report.stamp.interval;
        let (fate, count) = match self.node.offer(current, &child, *report) {
            Offered::New => (Fate::Taken, &self.counters.reports_taken),
            Offered::Replaced | Offered::Counted => (Fate::Taken, &self.counters.reports_again),
            Offered::Late => (Fate::Late, &self.counters.reports_late),
            Offered::Forgotten => (Fate::Forgotten, &self.counters.reports_late),
            Offered::Refused => (Fate::Refused, &self.counters.reports_refused),
        };
        count.add(1);
        self.tell(&child, &FromParent::Said { interval, fate });
    }

    fn attach(&mut self, child: PeerId, serial: u64, newcomer: Newcomer, out: mpsc::Sender<Bytes>) {
        let access = self.place.access_of(&child);
        let may = if newcomer.level == 0 { access != Access::Nobody } else { aggregates(access) };
        let admitted = if may { self.node.attach(child, newcomer) } else { Admitted::Full };
        if admitted != Admitted::Yes {
            self.counters.children_refused.add(1);
            let no = if admitted == Admitted::Gone { FromParent::Gone } else { FromParent::Full };
            send(&out, &no);
            return;
        }
        // What an older pipe of the same child still says is not heard any more.
        let older = self.links.remove(&child);
        let (said, doubt) = older.map_or(((0, 0), None), |link| (link.said, link.doubt));
        self.links.insert(child, Link { serial, out, said, doubt });
        self.count_children();
        self.tell(&child, &self.attached());
    }

    fn tell(&mut self, child: &PeerId, message: &FromParent) {
        if self.links.get(child).is_some_and(|link| !send(&link.out, message)) {
            self.end(child);
        }
    }

    pub(super) fn tell_all(&mut self, message: &FromParent) {
        let deaf = self.links.iter().filter(|(_, link)| !send(&link.out, message));
        let deaf: Vec<PeerId> = deaf.map(|(child, _)| *child).collect();
        deaf.iter().for_each(|child| self.end(child));
    }

    /// The pipe of a child is over, or is ended.
    fn end(&mut self, child: &PeerId) {
        self.links.remove(child);
        self.node.leave(child);
        self.count_children();
    }
}

/// Whether there was room for the message.
fn send(out: &mpsc::Sender<Bytes>, message: &FromParent) -> bool {
    message.encode().is_ok_and(|bytes| out.try_send(bytes.into()).is_ok())
}

/// Intervals that are still closed one by one when the aggregator is behind.
const INTERVALS_BEHIND: u64 = 3;
