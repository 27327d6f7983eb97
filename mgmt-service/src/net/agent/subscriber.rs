//! One subscription at an agent: a task that moves records from its consumer to its manager, over one pipe after another.
//!
//! In: records, the manager's messages, new pipes. Out: batches. The rules are [`Outbox`]'s. While the manager is away the
//! records wait in the consumer's bounded queue, or go to the spool of a standing subscription; after `SUBSCRIPTION_KEPT`
//! or `SPOOL_KEPT` the subscription ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use overlay::{BidiPipe, PipeReceiver, PipeSender, RecvError};
use tokio::sync::{mpsc, watch};

use super::super::counters::AgentCounters;
use super::notices::Notices;
use super::pacer::Pacer;
use super::records::Records;
use super::spooling::Spooling;
use crate::access::Veil;
use crate::aggregate::TailSampler;
use crate::arm::ArmRecord;
use crate::jmx::{ObjectNamePattern, record_name};
use crate::limits::{BATCH_RECORDS_MAX, PUSH_SEND_TIMEOUT, SUBSCRIPTION_KEPT};
use crate::protocol::{FromManager, Terms};
use crate::subscription::Outbox;

/// A pipe for a subscription, and what its manager said on it first.
pub(super) struct Attach {
    pub(super) pipe: BidiPipe,
    pub(super) pattern: ObjectNamePattern,
    pub(super) resume_from: (u64, u64),
    pub(super) missed: Duration,
    /// For a manager that may not see ids.
    pub(super) veil: Option<Veil>,
    pub(super) standing: bool,
    pub(super) terms: Terms,
}

/// A subscription.
pub(super) struct Subscriber {
    outbox: Outbox,
    /// Where batches are kept for a manager that is away; none for who only watches.
    spool: Option<Spooling>,
    records: Records,
    /// Chooses what travels when there is too much.
    sampler: TailSampler,
    notices: Notices,
    pattern: ObjectNamePattern,
    veil: Option<Veil>,
    /// None while the manager is away.
    pipe: Option<(PipeSender, PipeReceiver)>,
    /// When the subscription ends unless its manager comes.
    given_up_at: Instant,
    /// When to look again whether the next batch may go; none while nothing is held up.
    paced_until: Option<Instant>,
    /// Whether a batch is held up by the pace.
    is_paced: bool,
    attaches: mpsc::Receiver<Attach>,
    /// How long a farewell may take; changes when the agent ends.
    stopped: watch::Receiver<Duration>,
    counters: Arc<AgentCounters>,
    pacer: Arc<Pacer>,
}

/// Whether the subscription goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Continue,
    /// It is over, and nothing is kept for it.
    End,
    /// The agent stops; what is spooled waits for its next start.
    Stop,
}

impl Subscriber {
    /// A subscription that has no pipe yet.
    pub(super) fn new(
        (outbox, spool): (Outbox, Option<Spooling>),
        (records, notices): (Records, Notices),
        (pattern, veil): (ObjectNamePattern, Option<Veil>),
        attaches: mpsc::Receiver<Attach>,
        stopped: watch::Receiver<Duration>,
        (counters, pacer): (Arc<AgentCounters>, Arc<Pacer>),
    ) -> Self {
        let kept_for = spool.as_ref().map_or(SUBSCRIPTION_KEPT, Spooling::kept_for);
        Self {
            outbox,
            spool,
            records,
            sampler: TailSampler::new(),
            notices,
            pattern,
            veil,
            pipe: None,
            given_up_at: Instant::now() + kept_for,
            paced_until: None,
            is_paced: false,
            attaches,
            stopped,
            counters,
            pacer,
        }
    }

    pub(super) async fn run(mut self) {
        let end = loop {
            self.drain_for_flush();
            self.turn_spool();
            self.send_notices().await;
            self.send_due().await;
            let wants_record = (self.pipe.is_some() || self.spool.is_some()) && self.outbox.wants_record();
            let due = self.due();
            let next = tokio::select! {
                attach = self.attaches.recv() => match attach {
                    Some(attach) => self.attach(attach),
                    None => Next::End,
                },
                said = recv(&mut self.pipe) => self.hear(said),
                record = self.records.recv(), if wants_record => self.take(record),
                () = self.notices.changed(), if self.pipe.is_some() => Next::Continue,
                () = sleep_until(due) => self.timed_out(),
                _ = self.stopped.changed() => {
                    self.farewell().await;
                    Next::Stop
                }
            };
            if next != Next::Continue {
                break next;
            }
        };
        match (end, self.spool.take()) {
            (Next::Stop, Some(mut spool)) if self.pipe.is_some() => spool.detached(),
            (Next::Stop, Some(_)) => {}
            (_, spool) => {
                let spooled = spool.as_ref().map(Spooling::unacknowledged_records);
                let waiting = match spooled {
                    Some(spooled) => self.outbox.open_records() as u64 + spooled,
                    None => self.outbox.unacknowledged_records() as u64,
                };
                self.counters.records_unclaimed.add(self.records.len() as u64 + waiting);
                if let Some(spool) = spool {
                    spool.remove();
                }
            }
        }
        if let Some((mut sender, _)) = self.pipe.take() {
            // A manager that does not let its pipe close keeps nobody waiting.
            let within = *self.stopped.borrow();
            let _ = tokio::time::timeout(within, sender.close()).await;
        }
    }

    fn attach(&mut self, Attach { pipe, pattern, resume_from, veil, terms, .. }: Attach) -> Next {
        tracing::debug!(peer = %pipe.remote(), ?resume_from, "manager attached");
        // What waits on the disk has ids: who may no longer see them begins anew.
        if veil.is_some() && self.spool.is_some() {
            return Next::End;
        }
        if let Some(spool) = &mut self.spool {
            spool.attached(&mut self.outbox, resume_from);
        }
        self.outbox.attach(resume_from, terms);
        self.notices.attach(terms.notices);
        (self.pattern, self.veil) = (pattern, veil);
        self.pipe = Some(pipe.split());
        Next::Continue
    }

    /// When there is something to do that nobody else brings.
    fn due(&self) -> Option<Instant> {
        let closes = self.outbox.poll_timeout();
        let sends = self.paced_until.filter(|_| self.outbox.has_unsent());
        match (&self.pipe, &self.spool) {
            // A batch that may not go yet stays open, to grow.
            (Some(_), None) => sends.or(closes.max(self.paced_until.filter(|_| closes.is_some()))),
            (Some(_), Some(spool)) => {
                [closes, sends, spool.poll_timeout(&self.outbox)].into_iter().flatten().min()
            }
            (None, None) => Some(self.given_up_at),
            (None, Some(_)) => [closes, Some(self.given_up_at)].into_iter().flatten().min(),
        }
    }

    fn dropped(&self) -> u64 {
        self.records.dropped() + self.spool.as_ref().map_or(0, Spooling::lost)
    }

    /// Moves batches between outbox and spool.
    fn turn_spool(&mut self) {
        let (dropped, flushing) = (self.records.dropped(), self.outbox.is_flushing());
        if let Some(spool) = &mut self.spool {
            spool.turn(&mut self.outbox, dropped, flushing);
        }
    }

    fn detach(&mut self) {
        tracing::debug!(kept = self.outbox.unacknowledged_records(), "subscription pipe broken");
        self.counters.pipes_broken.add(1);
        self.pipe = None;
        self.outbox.detach();
        if let Some(spool) = &mut self.spool {
            spool.detached();
        }
        let kept_for = self.spool.as_ref().map_or(SUBSCRIPTION_KEPT, Spooling::kept_for);
        self.given_up_at = Instant::now() + kept_for;
    }

    /// Takes a record and those that wait behind it.
    fn take(&mut self, first: ArmRecord) -> Next {
        let (mut taken, mut looked_at) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(record) = next {
            looked_at += 1;
            let record = self.veil.map_or_else(|| record.clone(), |veil| veil.record(&record));
            if self.is_wanted(&record)
                && let Some(record) = self.sampled(record)
            {
                self.counters.records_batched.add(1);
                self.outbox.push(Instant::now(), &record);
                if self.spool.is_some() {
                    taken.push(record);
                }
            }
            // What is folded fills no batch: others have their turn all the same.
            let goes_on = self.outbox.wants_record() && looked_at < BATCH_RECORDS_MAX;
            next = if goes_on { self.records.get() } else { None };
        }
        if let Some(spool) = &mut self.spool {
            spool.journal(&self.outbox, &taken);
        }
        Next::Continue
    }

    /// The record with its weight; none when another one stands for it.
    fn sampled(&mut self, mut record: ArmRecord) -> Option<ArmRecord> {
        let Some(rate_max) = self.pacer.record_rate_max() else { return Some(record) };
        // Without randomness the first of each group is chosen, which is a sample still.
        let random = || getrandom::u64().unwrap_or(0);
        let Some(weight) = self.sampler.sample(Instant::now(), &record, rate_max, random) else {
            self.counters.records_folded.add(1);
            return None;
        };
        record.details.folded = weight.saturating_sub(1);
        Some(record)
    }

    fn is_wanted(&self, record: &ArmRecord) -> bool {
        self.pattern.is_everything() || record_name(record).is_ok_and(|name| self.pattern.matches(&name))
    }

    fn hear(&mut self, said: Result<Option<Bytes>, RecvError>) -> Next {
        let Ok(Some(bytes)) = said else {
            self.detach();
            return Next::Continue;
        };
        match FromManager::decode(&bytes) {
            Ok(FromManager::Ack { seq, terms }) => {
                self.outbox.agree(terms);
                if let Err(error) = self.outbox.ack(seq) {
                    tracing::debug!(reason = %error, "subscription pipe ended");
                    self.detach();
                } else if let Some(spool) = &mut self.spool {
                    spool.acknowledge(seq);
                }
            }
            Ok(FromManager::Flush) => self.outbox.flush(),
            Ok(FromManager::Unsubscribe) => return Next::End,
            Ok(FromManager::Subscribe { .. }) | Err(_) => self.detach(),
        }
        Next::Continue
    }

    fn timed_out(&self) -> Next {
        let given_up = self.pipe.is_none() && Instant::now() >= self.given_up_at;
        if given_up { Next::End } else { Next::Continue }
    }

    /// Takes what waits in the consumer's queue, when the manager wants everything now.
    fn drain_for_flush(&mut self) {
        while self.outbox.is_draining() && self.outbox.wants_record() {
            match self.records.get() {
                Some(record) => {
                    self.take(record);
                }
                None => self.outbox.drained(),
            }
        }
    }

    /// Says what monitors said; it is little, and waits for neither credit nor pace.
    async fn send_notices(&mut self) {
        while let Some((sender, _)) = &mut self.pipe
            && let Some(message) = self.notices.poll(&self.pattern, self.veil.as_ref())
        {
            self.pacer.push(message.len(), false);
            match tokio::time::timeout(PUSH_SEND_TIMEOUT, sender.send(message)).await {
                Ok(Ok(())) => self.counters.notices_sent.add(1),
                Ok(Err(_)) | Err(_) => self.detach(),
            }
        }
    }

    async fn send_due(&mut self) {
        let (dropped, mut lacked_credit) = (self.dropped(), self.outbox.lacks_credit());
        self.paced_until = None;
        while let Some((sender, _)) = &mut self.pipe {
            let (now, flushes) = (Instant::now(), self.outbox.is_flushing());
            if !flushes && let Some(wait) = self.pacer.wait(now, self.outbox.is_watched()) {
                self.paced_until = Some(now + wait);
                let (was_paced, is_paced) = (self.is_paced, self.outbox.has_due(now));
                self.counters.waits_for_pace.add(u64::from(is_paced && !was_paced));
                self.is_paced = is_paced;
                return;
            }
            self.is_paced = false;
            let Some(message) = self.outbox.poll_send(now, dropped) else {
                self.counters.waits_for_credit.add(u64::from(!lacked_credit && self.outbox.lacks_credit()));
                return;
            };
            lacked_credit = false;
            self.pacer.push(message.len(), !flushes);
            match tokio::time::timeout(PUSH_SEND_TIMEOUT, sender.send(message)).await {
                Ok(Ok(())) => self.counters.messages_sent.add(1),
                Ok(Err(_)) | Err(_) => self.detach(),
            }
        }
    }

    /// Gives the manager what there is and waits, for a bounded time, until it is acknowledged.
    async fn farewell(&mut self) {
        if let Ok(attach) = self.attaches.try_recv()
            && self.attach(attach) != Next::Continue
        {
            return;
        }
        self.outbox.flush();
        let within = *self.stopped.borrow();
        let saying = async {
            while self.pipe.is_some() {
                self.drain_for_flush();
                self.turn_spool();
                self.send_due().await;
                if self.outbox.is_settled() || self.pipe.is_none() {
                    return;
                }
                let said = recv(&mut self.pipe).await;
                if self.hear(said) != Next::Continue {
                    return;
                }
            }
        };
        // What is not acknowledged by then is counted as unclaimed, or waits in the spool.
        let _ = tokio::time::timeout(within, saying).await;
        if self.spool.is_some() {
            self.outbox.flush();
            while self.outbox.is_draining() {
                self.drain_for_flush();
                self.turn_spool();
            }
        }
    }
}

async fn recv(pipe: &mut Option<(PipeSender, PipeReceiver)>) -> Result<Option<Bytes>, RecvError> {
    match pipe {
        Some((_, receiver)) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
