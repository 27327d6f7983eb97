//! The way up of one child's reports: one parent after another, until the child ends.
//!
//! In: reports. Out: to a parent, or back to an aggregator that finds nobody above and is the root for now; what is handed
//! on. The rules are [`Uplink`]'s. While a parent is sought, reports wait, bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use overlay::{PeerId, PipeReceiver, PipeSender};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until, timeout};

use super::seeking::{Known, Parent, Seeker, Sought};
use super::telling::Remembered;
use super::{random, unix};
use crate::aggregate::{Beat, Fate, FromChild, FromParent, Report, Uplink};
use crate::limits::{AGGREGATORS_LOOKUP_INTERVAL, ATTACH_RETRY, PARENT_ANSWER_MAX, PUSH_SEND_TIMEOUT};
use crate::net::counters::ChildCounters;

/// Who is above a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Above {
    /// It is being sought.
    Unknown,
    /// Nobody takes reports.
    Nobody,
    /// This one, which counts intervals so.
    Parent(PeerId, Beat),
}

/// What an aggregator learns of its reports.
#[derive(Debug)]
pub(super) enum Climbed {
    /// The one of this interval, and those before, need not be sent by its children any more.
    HandedOn(u64),
    /// Nobody is above: it counts here.
    Kept(Report),
    /// This run is gone for those above; the next one has this number.
    Gone(u64),
}

/// The way up of one child's reports.
pub(super) struct Climber {
    pub(super) seeker: Seeker,
    pub(super) uplink: Uplink,
    /// What managers are told of the reports.
    pub(super) remembered: Remembered,
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) above: watch::Sender<Above>,
    /// Where an aggregator hears of its reports; none at a peer that only measures.
    pub(super) climbed: Option<mpsc::Sender<Climbed>>,
    /// Peers below.
    pub(super) expected: Arc<AtomicU64>,
    pub(super) former: Option<Known>,
    pub(super) counters: Arc<ChildCounters>,
}

impl Climber {
    /// Runs until whoever makes the reports ends.
    pub(super) async fn run(mut self) {
        loop {
            let Some(sought) = self.seek().await else { return };
            let over = match sought {
                Sought::Resumed(parent) => {
                    self.uplink.resume();
                    self.serve(parent).await
                }
                Sought::Found(parent, settled) => {
                    self.settled(settled.as_ref()).await;
                    self.serve(parent).await
                }
                Sought::Nobody { advertised, settled } => {
                    self.settled(settled.as_ref()).await;
                    self.former = None;
                    self.counters.attach_failed.add(advertised as u64);
                    self.alone(advertised).await
                }
                Sought::Gone => self.gone().await,
            };
            self.above.send_replace(Above::Unknown);
            if over {
                return;
            }
        }
    }

    /// Seeks a parent while reports go on coming; none when no more will come.
    async fn seek(&mut self) -> Option<Sought> {
        let former = self.former.map(|former| (former, self.uplink.in_question()));
        let mut seeking = Box::pin(self.seeker.clone().seek(former, self.expected.load(Ordering::Relaxed)));
        loop {
            tokio::select! {
                sought = &mut seeking => return Some(sought),
                report = self.reports.recv() => {
                    let report = report?;
                    self.push(report);
                }
            }
        }
    }

    async fn settled(&mut self, settled: Option<&crate::aggregate::Settled>) {
        self.remembered.with(|told, _| told.lost());
        if let Some(last) = self.uplink.settle(settled).into_iter().max() {
            self.tell(Climbed::HandedOn(last)).await;
        }
        self.counters.reports_in_doubt.set(self.uplink.in_doubt());
    }

    /// Reports to a parent until one of the two ends; true when this child does.
    async fn serve(&mut self, Parent { known, beat, pipe }: Parent) -> bool {
        tracing::debug!(peer = %known.peer, "aggregator found");
        self.counters.attached.add(1);
        self.former = Some(known);
        self.above.send_replace(Above::Parent(known.peer, beat));
        let (mut sender, mut receiver): (PipeSender, PipeReceiver) = pipe.split();
        let (mut ending, mut asked) = (false, Instant::now());
        loop {
            if !self.uplink.awaits_answer() {
                asked = Instant::now();
            }
            if self.send_due(known.peer, &mut sender).await.is_none() {
                return false;
            }
            if ending && !self.uplink.awaits_answer() {
                return true;
            }
            tokio::select! {
                report = self.reports.recv(), if !ending => match report {
                    Some(report) => self.push(report),
                    None => ending = true,
                },
                () = sleep_until((asked + PARENT_ANSWER_MAX).into()), if self.uplink.awaits_answer() => {
                    tracing::debug!(peer = %known.peer, "aggregator silent");
                    return false;
                }
                said = receiver.recv() => {
                    let said = said.ok().flatten().and_then(|bytes| FromParent::decode(&bytes).ok());
                    match said {
                        Some(FromParent::Said { interval, fate }) => self.hear(known.peer, interval, fate).await,
                        Some(FromParent::Attached { boot, at, length, above }) if boot == known.boot => {
                            let Some(beat) = Beat::of_parent(Instant::now(), unix(), at, length) else {
                                return false;
                            };
                            self.former = Some(Known { above, ..known });
                            self.above.send_replace(Above::Parent(known.peer, beat));
                        }
                        _ => return false,
                    }
                }
            }
        }
    }

    /// Sends what nobody has got, one report at a time: of a parent that is silent only that one is in question. None when
    /// the pipe is over.
    async fn send_due(&mut self, parent: PeerId, sender: &mut PipeSender) -> Option<()> {
        while !self.uplink.awaits_answer()
            && let Some(report) = self.uplink.next_to_send()
        {
            self.remembered.with(|told, now| told.sent(now, report, parent));
            let message = FromChild::Report(report.clone()).encode().ok()?;
            timeout(PUSH_SEND_TIMEOUT, sender.send(message)).await.ok()?.ok()?;
            self.counters.reports_sent.add(1);
        }
        Some(())
    }

    async fn hear(&mut self, parent: PeerId, interval: u64, fate: Fate) {
        self.remembered.with(|told, _| match fate {
            Fate::Taken => told.taken(&parent, interval),
            Fate::HandedOn => told.handed_on(&parent, interval),
            Fate::Late | Fate::Refused => told.refused(&parent, interval),
            Fate::Forgotten => {}
        });
        let taken = self.uplink.hear(interval, fate);
        self.counters.reports_in_doubt.set(self.uplink.in_doubt());
        match fate {
            Fate::Taken if taken => self.tell(Climbed::HandedOn(interval)).await,
            Fate::Taken => {}
            Fate::HandedOn => self.counters.handed_on.set(interval),
            Fate::Late | Fate::Refused | Fate::Forgotten => self.counters.reports_late.add(1),
        }
    }

    /// Nobody is above: what comes counts here, until it is time to look again; true when this child ends.
    async fn alone(&mut self, advertised: usize) -> bool {
        let root = self.climbed.is_some();
        self.above.send_replace(Above::Nobody);
        let pause = if advertised > 0 { ATTACH_RETRY } else { AGGREGATORS_LOOKUP_INTERVAL };
        let looking = sleep(spread(pause));
        tokio::pin!(looking);
        loop {
            if root {
                for report in self.uplink.take_unsent() {
                    self.remembered.with(|told, now| told.kept(now, &report));
                    self.tell(Climbed::Kept(report)).await;
                }
            }
            tokio::select! {
                () = &mut looking => return false,
                report = self.reports.recv() => match report {
                    Some(report) => self.push(report),
                    None => return true,
                },
            }
        }
    }

    /// What this run has is counted elsewhere or nowhere; it goes on as another run.
    async fn gone(&mut self) -> bool {
        self.uplink.forget();
        self.remembered.with(|told, _| told.lost());
        self.counters.reports_in_doubt.set(self.uplink.in_doubt());
        self.former = None;
        let Ok(boot) = random() else { return true };
        self.seeker.boot = boot;
        self.tell(Climbed::Gone(boot)).await;
        false
    }

    /// Takes a report on its way. One of a run that is gone, with what children count elsewhere by now, counts nowhere;
    /// what this peer has measured itself is of any run.
    fn push(&mut self, mut report: Report) {
        if self.climbed.is_some() && report.stamp.boot != self.seeker.boot {
            return;
        }
        report.stamp.boot = self.seeker.boot;
        self.uplink.push(report);
        if let Some(report) = self.uplink.newest() {
            self.remembered.with(|told, now| told.made(now, report));
        }
    }

    async fn tell(&self, climbed: Climbed) {
        if let Some(listener) = &self.climbed {
            // Who does not listen any more ends.
            let _ = listener.send(climbed).await;
        }
    }
}

/// A pause of `base` and up to as much again, so that the orphans of one aggregator don't come all at once.
fn spread(base: Duration) -> Duration {
    let part = random().unwrap_or(0) % 1024;
    base + base.mul_f64(part as f64 / 1024.0)
}
