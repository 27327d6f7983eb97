//! One subscription at an agent: a task that moves records from its consumer to its manager, over one pipe after another.
//!
//! In: records, the manager's messages, new pipes. Out: batches. The rules are [`Outbox`]'s. While the manager is away the
//! records wait in the consumer's bounded queue; after `SUBSCRIPTION_KEPT` the subscription ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use overlay::{BidiPipe, PipeReceiver, PipeSender, RecvError};
use tokio::sync::{mpsc, watch};

use super::super::counters::AgentCounters;
use super::records::Records;
use crate::access::Veil;
use crate::arm::ArmRecord;
use crate::jmx::{ObjectNamePattern, record_name};
use crate::limits::{AGENT_FAREWELL_MAX, PUSH_SEND_TIMEOUT, SUBSCRIPTION_KEPT};
use crate::protocol::FromManager;
use crate::subscription::Outbox;

/// A pipe for a subscription, and what its manager said on it first.
pub(super) struct Attach {
    pub(super) pipe: BidiPipe,
    pub(super) pattern: ObjectNamePattern,
    pub(super) resume_from: (u64, u64),
    pub(super) missed: Duration,
    /// For a manager that may not see ids.
    pub(super) veil: Option<Veil>,
}

/// A subscription.
pub(super) struct Subscriber {
    outbox: Outbox,
    records: Records,
    pattern: ObjectNamePattern,
    veil: Option<Veil>,
    /// None while the manager is away.
    pipe: Option<(PipeSender, PipeReceiver)>,
    away_since: Instant,
    attaches: mpsc::Receiver<Attach>,
    stopped: watch::Receiver<bool>,
    counters: Arc<AgentCounters>,
}

/// Whether the subscription goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Continue,
    End,
}

impl Subscriber {
    pub(super) fn new(
        boot: u64,
        records: Records,
        attach: Attach,
        attaches: mpsc::Receiver<Attach>,
        stopped: watch::Receiver<bool>,
        counters: Arc<AgentCounters>,
    ) -> Self {
        let (outbox, pattern, veil) = (Outbox::new(boot), attach.pattern.clone(), attach.veil);
        let away_since = Instant::now();
        let mut subscriber =
            Self { outbox, records, pattern, veil, pipe: None, away_since, attaches, stopped, counters };
        subscriber.attach(attach);
        subscriber
    }

    pub(super) async fn run(mut self) {
        loop {
            self.drain_for_flush();
            self.send_due().await;
            let wants_record = self.pipe.is_some() && self.outbox.wants_record();
            let due = match self.pipe {
                Some(_) => self.outbox.poll_timeout(),
                None => Some(self.away_since + SUBSCRIPTION_KEPT),
            };
            let next = tokio::select! {
                attach = self.attaches.recv() => match attach {
                    Some(attach) => self.attach(attach),
                    None => Next::End,
                },
                said = recv(&mut self.pipe) => self.hear(said),
                record = self.records.recv(), if wants_record => self.take(&record),
                () = sleep_until(due) => self.timed_out(),
                _ = self.stopped.changed() => {
                    self.farewell().await;
                    Next::End
                }
            };
            if next == Next::End {
                break;
            }
        }
        let waiting = self.records.len() + self.outbox.unacknowledged_records();
        self.counters.records_unclaimed.add(waiting as u64);
        if let Some((mut sender, _)) = self.pipe.take() {
            // A manager that does not let its pipe close keeps nobody waiting.
            let _ = tokio::time::timeout(AGENT_FAREWELL_MAX, sender.close()).await;
        }
    }

    fn attach(&mut self, Attach { pipe, pattern, resume_from, veil, .. }: Attach) -> Next {
        tracing::debug!(peer = %pipe.remote(), ?resume_from, "manager attached");
        self.outbox.attach(resume_from);
        (self.pattern, self.veil) = (pattern, veil);
        self.pipe = Some(pipe.split());
        Next::Continue
    }

    fn detach(&mut self) {
        tracing::debug!(kept = self.outbox.unacknowledged_records(), "subscription pipe broken");
        self.counters.pipes_broken.add(1);
        self.pipe = None;
        self.away_since = Instant::now();
    }

    fn take(&mut self, record: &ArmRecord) -> Next {
        let veiled = self.veil.map(|veil| veil.record(record));
        let record = veiled.as_ref().unwrap_or(record);
        let wanted =
            self.pattern.is_everything() || record_name(record).is_ok_and(|name| self.pattern.matches(&name));
        if wanted {
            self.counters.records_batched.add(1);
            self.outbox.push(Instant::now(), record);
        }
        Next::Continue
    }

    fn hear(&mut self, said: Result<Option<Bytes>, RecvError>) -> Next {
        let Ok(Some(bytes)) = said else {
            self.detach();
            return Next::Continue;
        };
        match FromManager::decode(&bytes) {
            Ok(FromManager::Ack { seq }) => {
                if let Err(error) = self.outbox.ack(seq) {
                    tracing::debug!(reason = %error, "subscription pipe ended");
                    self.detach();
                }
            }
            Ok(FromManager::Flush) => self.outbox.flush(),
            Ok(FromManager::Unsubscribe) => return Next::End,
            Ok(FromManager::Subscribe { .. }) | Err(_) => self.detach(),
        }
        Next::Continue
    }

    fn timed_out(&self) -> Next {
        let given_up = self.pipe.is_none() && self.away_since.elapsed() >= SUBSCRIPTION_KEPT;
        if given_up { Next::End } else { Next::Continue }
    }

    /// Takes what waits in the consumer's queue, when the manager wants everything now.
    fn drain_for_flush(&mut self) {
        while self.outbox.is_draining() && self.outbox.wants_record() {
            match self.records.get() {
                Some(record) => {
                    self.take(&record);
                }
                None => self.outbox.drained(),
            }
        }
    }

    async fn send_due(&mut self) {
        while let Some((sender, _)) = &mut self.pipe {
            let dropped = self.records.dropped();
            let Some(message) = self.outbox.poll_send(Instant::now(), dropped) else { return };
            match tokio::time::timeout(PUSH_SEND_TIMEOUT, sender.send(message)).await {
                Ok(Ok(())) => self.counters.messages_sent.add(1),
                Ok(Err(_)) | Err(_) => self.detach(),
            }
        }
    }

    /// Gives the manager what there is and waits, for a bounded time, until it is acknowledged.
    async fn farewell(&mut self) {
        self.outbox.flush();
        let saying = async {
            while self.pipe.is_some() {
                self.drain_for_flush();
                self.send_due().await;
                if self.outbox.is_settled() {
                    return;
                }
                let said = recv(&mut self.pipe).await;
                if self.hear(said) == Next::End {
                    return;
                }
            }
        };
        // What is not acknowledged by then is counted as unclaimed.
        let _ = tokio::time::timeout(AGENT_FAREWELL_MAX, saying).await;
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
