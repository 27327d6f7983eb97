//! A peer that measures, as a child in the tree: cuts what its sketches have counted into intervals, and reports them.
//!
//! In: an application, a place in a management group. Out: a report each interval while an aggregator takes them; without
//! any the peer does nothing but look for one now and then. What was measured before the first one came is not reported.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use overlay::{Peer, PeerId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use super::climbing::{Above, Climber};
use super::random;
use super::seeking::Seeker;
use super::telling::{Remembered, Teller};
use crate::aggregate::{Figures, Report, Stamp, Uplink};
use crate::arm::Application;
use crate::error::AgentError;
use crate::jmx::{BeanServer, ManagedBean, ObjectName, Registration};
use crate::limits::REPORTS_KEPT;
use crate::net::ManagementGroup;
use crate::net::counters::ChildCounters;

/// A peer's part in the tree; dropping it ends it.
#[derive(Debug)]
pub(in crate::net) struct Reporting {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
    /// The parent, from when on everything that is measured will be reported.
    parent: watch::Receiver<Option<PeerId>>,
    counters: Arc<ChildCounters>,
}

impl Reporting {
    /// Begins; none without randomness. Needs a tokio runtime.
    pub(in crate::net) fn spawn(
        peer: &Peer,
        place: &ManagementGroup,
        application: Application,
    ) -> Option<Self> {
        let (boot, counters) = (random().ok()?, Arc::new(ChildCounters::default()));
        let (above, seen) = watch::channel(Above::Unknown);
        let (out, reports) = mpsc::channel(REPORTS_KEPT);
        let remembered = Remembered::new();
        let teller = Teller::new(peer, place, &remembered, &counters);
        let climber = Climber {
            seeker: Seeker { peer: peer.clone(), place: place.clone(), boot, level: 0, length: None },
            uplink: Uplink::default(),
            remembered,
            reports,
            above,
            climbed: None,
            expected: Arc::new(AtomicU64::new(1)),
            former: None,
            counters: counters.clone(),
        };
        let (shown, parent) = watch::channel(None);
        let (stop, stopped) = watch::channel(false);
        let cutting = cut(application, boot, (seen, shown), out, (counters.clone(), stopped));
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = futures::future::join(climber.run(), cutting) => {}
                () = teller.run() => {}
            }
        });
        Some(Self { task, stop, parent, counters })
    }

    /// Ends after the parent has got what was measured until now, or after so long.
    pub(in crate::net) async fn end(mut self, within: Duration) {
        self.stop.send_replace(true);
        // A parent that doesn't answer keeps nobody waiting.
        let _ = timeout(within, &mut self.task).await;
    }

    /// Registers it as `juxta:type=aggregation`.
    pub(in crate::net) fn register(&self, beans: &BeanServer) -> Result<Registration, AgentError> {
        let name = ObjectName::new("juxta", [("type", "aggregation")])?;
        Ok(beans.register(name, Arc::new(self.bean()))?)
    }

    fn bean(&self) -> ManagedBean {
        let parent = self.parent.clone();
        let parent = move || parent.borrow().map_or_else(String::new, |parent| parent.to_string());
        let bean = ManagedBean::new("this peer as a child in the tree of aggregators");
        let bean = bean.shows("parent", "the aggregator it reports to; empty without one", parent);
        let counters = self.counters.snapshot().into_iter().zip(0..);
        counters.fold(bean, |bean, ((name, _), number)| {
            let counters = self.counters.clone();
            let read = move || counters.snapshot().get(number).map_or(0, |(_, count)| *count);
            bean.shows(name, "a count; see docs/manage.md", read)
        })
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Cuts at the end of each interval of the parent; while there is none, the interval grows longer.
async fn cut(
    application: Application,
    boot: u64,
    (mut above, shown): (watch::Receiver<Above>, watch::Sender<Option<PeerId>>),
    out: mpsc::Sender<Report>,
    (counters, mut stopped): (Arc<ChildCounters>, watch::Receiver<bool>),
) {
    let (mut before, mut last) = (None, 0);
    loop {
        let seen = *above.borrow_and_update();
        let Above::Parent(parent, beat) = seen else {
            shown.send_replace(None);
            tokio::select! {
                changed = above.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                _ = stopped.changed() => return,
            }
        };
        let before = before.get_or_insert_with(|| Figures::of(&application));
        shown.send_replace(Some(parent));
        let number = beat.at(Instant::now()).0.max(last + 1);
        let ending = tokio::select! {
            () = sleep_until(beat.end_of(number).into()) => false,
            _ = stopped.changed() => true,
            changed = above.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let all = Figures::of(&application);
        let stamp = Stamp { interval: number, boot };
        let report = Report { figures: all.since(before), ..Report::of_one(stamp) };
        (*before, last) = (all, number);
        counters.reports.add(1);
        if out.send(report).await.is_err() || ending {
            return;
        }
    }
}
