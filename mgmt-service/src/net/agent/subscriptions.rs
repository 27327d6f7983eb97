//! The subscriptions of one agent: which are served, and to which a new pipe belongs.
//!
//! In: pipes with their first message. Out: a task for each subscription, which outlives its pipes. Bounded in all and
//! for each manager.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use overlay::{BidiPipe, PeerId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::super::counters::AgentCounters;
use super::absence::Absence;
use super::guard::Guard;
use super::monitors::Monitors;
use super::notices::Notices;
use super::pacer::Pacer;
use super::records::Records;
use super::spooling::{Spooling, now_ms};
use super::subscriber::{Attach, Subscriber};
use crate::access::{Veil, Verb};
use crate::arm::{Application, ArmRecord, Overflow};
use crate::jmx::{BeanServer, ObjectNamePattern};
use crate::limits::{
    BATCH_AGE_MAX, SPOOL_EVICTED_AFTER, SPOOL_KEPT, SPOOLS_MAX, STANDING_BATCH_AGE_MAX, SUBSCRIBING_MAX,
    SUBSCRIBING_TIMEOUT, SUBSCRIPTION_RECORDS_MAX, SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_MANAGER_MAX,
};
use crate::protocol::{FromAgent, FromManager};
use crate::spool::Standing;
use crate::subscription::Outbox;

/// A manager and the number it chose: only the same manager can take a subscription over.
type Key = (PeerId, u64);

/// A pipe whose manager has said what it wants.
pub(super) struct Subscribed {
    key: Key,
    attach: Attach,
}

/// The table of one agent's subscriptions.
pub(super) struct Subscriptions {
    application: Option<Application>,
    /// Who measures, and the directory in which spools are kept, if there is one.
    peer: PeerId,
    spools: Option<PathBuf>,
    /// Where the last records are held as objects.
    beans: BeanServer,
    guard: Arc<Guard>,
    monitors: Arc<Monitors>,
    counters: Arc<AgentCounters>,
    pacer: Arc<Pacer>,
    /// Changes when the agent ends: to how long the farewell may take.
    stopped: watch::Receiver<Duration>,
    served: HashMap<Key, Served>,
    started: u64,
    tasks: JoinSet<(Key, u64)>,
    /// Pipes that are being told that there is no room.
    refusals: JoinSet<()>,
}

struct Served {
    /// Tells the task of a new pipe; dropping it ends the task.
    attaches: mpsc::Sender<Attach>,
    /// Grows from one subscription to the next.
    serial: u64,
    /// With a spool: for how long its manager is away.
    absence: Option<Arc<Absence>>,
}

impl Served {
    /// Hands its task a pipe, or gives it back if the task has ended. Its manager is there from now on, whenever the task
    /// comes to it: no other that comes meanwhile takes its place.
    fn take(&self, attach: Attach) -> Option<Attach> {
        if let Some(absence) = &self.absence {
            absence.end();
        }
        match self.attaches.try_send(attach) {
            // Where another pipe of the same manager is being taken over, this one closes, and the manager tries again.
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => None,
            Err(mpsc::error::TrySendError::Closed(attach)) => Some(attach),
        }
    }
}

/// A subscription whose task has not started.
struct Prepared {
    subscriber: Subscriber,
    served: Served,
}

impl Subscriptions {
    pub(super) fn new(
        (peer, spools): (PeerId, Option<PathBuf>),
        application: Option<Application>,
        (beans, monitors): (BeanServer, Arc<Monitors>),
        (guard, counters, pacer): (Arc<Guard>, Arc<AgentCounters>, Arc<Pacer>),
        stopped: watch::Receiver<Duration>,
    ) -> Self {
        let (served, tasks, refusals) = (HashMap::new(), JoinSet::new(), JoinSet::new());
        Self {
            application,
            peer,
            spools,
            beans,
            guard,
            monitors,
            counters,
            pacer,
            stopped,
            served,
            started: 0,
            tasks,
            refusals,
        }
    }

    /// Goes on with the standing subscriptions that earlier runs left on the disk, before their managers come.
    pub(super) fn resume(&mut self) {
        let Some(files) = self.spools.as_ref().and_then(|root| std::fs::read_dir(root).ok()) else { return };
        let mut kept: Vec<Standing> =
            files.filter_map(|file| Standing::read(&file.ok()?.path()).ok()).collect();
        let now_ms = now_ms();
        kept.sort_by_key(|standing| standing.away(now_ms));
        let mut room = SPOOLS_MAX;
        for standing in kept {
            if standing.away(now_ms) >= SPOOL_KEPT || room == 0 {
                self.give_up(standing);
                continue;
            }
            room -= 1;
            let key = (standing.manager, standing.subscription);
            // With no room for a consumer there is none for the subscription; its spool stays as it is.
            if let Some(prepared) = self.prepare(key, standing.pattern, true, Duration::ZERO, None) {
                self.start(key, prepared);
            }
        }
        self.counters.subscriptions.set(self.served.len() as u64);
    }

    /// Gives the pipe to the subscription that it continues, or starts one.
    pub(super) fn attach(&mut self, Subscribed { key, mut attach }: Subscribed) {
        let asker = self.guard.asker(key.0, &self.guard.group().id());
        let pattern = attach.pattern.to_string();
        let veil = self.guard.check(asker, Verb::Subscribe, &pattern).and_then(|()| self.guard.veil(asker));
        match veil {
            Ok(veil) => attach.veil = veil,
            // The pipe closes; the overlay has told who is no member already.
            Err(_) => return,
        }
        self.guard.note_subscription(asker, &pattern);
        let attach = match self.served.get(&key) {
            Some(served) => served.take(attach),
            None => Some(attach),
        };
        let Some(attach) = attach else { return };
        self.served.remove(&key);
        self.end_oldest_of(key.0);
        if self.served.len() >= SUBSCRIPTIONS_MAX {
            return self.refuse(attach.pipe);
        }
        match self.prepare(key, attach.pattern.clone(), attach.standing, attach.missed, attach.veil) {
            Some(prepared) => {
                // Its channel has room for this one, which is there before the task is: an agent that stops at once does
                // not overlook it.
                let _ = prepared.served.take(attach);
                self.start(key, prepared);
            }
            None => self.refuse(attach.pipe),
        }
        self.counters.subscriptions.set(self.served.len() as u64);
    }

    /// Makes a subscription. None when there is no room.
    fn prepare(
        &mut self,
        key: Key,
        pattern: ObjectNamePattern,
        standing: bool,
        missed: Duration,
        veil: Option<Veil>,
    ) -> Option<Prepared> {
        let consumer = match &self.application {
            None => None,
            Some(application) => {
                Some(application.subscribe(SUBSCRIPTION_RECORDS_MAX, Overflow::DropOldest).ok()?)
            }
        };
        let boot = getrandom::u64().ok()?;
        let (attaches, receiver) = mpsc::channel(1);
        // The consumer is there already, so between it and what is held nothing is left out.
        let records = Records::new(consumer, self.held_since(missed));
        let notices = Notices::new(self.monitors.clone());
        // What waits on the disk for an operator has ids; for who may not see them nothing is kept there.
        let spool = if veil.is_none() { self.open_spool(key, &pattern, standing, boot) } else { None };
        let (outbox, spool) = match spool {
            Some((spool, outbox)) => (outbox, Some(spool)),
            None if standing => (Outbox::new(boot, STANDING_BATCH_AGE_MAX), None),
            None => (Outbox::new(boot, BATCH_AGE_MAX), None),
        };
        let absence = spool.as_ref().map(Spooling::absence);
        let (stopped, shared) = (self.stopped.clone(), (self.counters.clone(), self.pacer.clone()));
        let subscriber =
            Subscriber::new((outbox, spool), (records, notices), (pattern, veil), receiver, stopped, shared);
        self.started += 1;
        Some(Prepared { subscriber, served: Served { attaches, serial: self.started, absence } })
    }

    /// Starts the task of a subscription.
    fn start(&mut self, key: Key, Prepared { subscriber, served }: Prepared) {
        let serial = served.serial;
        self.tasks.spawn(async move {
            subscriber.run().await;
            (key, serial)
        });
        self.served.insert(key, served);
    }

    /// Removes the spool of a manager that stayed away too long.
    fn give_up(&self, standing: Standing) {
        if let Some(root) = &self.spools
            && let Some((spool, _)) = Spooling::open(root, standing, self.peer, &self.counters)
        {
            self.counters.records_unclaimed.add(spool.unacknowledged_records());
            spool.remove();
        }
    }

    /// Whether there is room for one more spool, be it because that of the manager who is away longest goes.
    fn has_spool_room(&mut self) -> bool {
        let now = Instant::now();
        let spools = self.served.iter().filter_map(|(key, served)| Some((*key, served.absence.as_ref()?)));
        let spools: Vec<(Key, Option<Duration>)> =
            spools.map(|(key, absence)| (key, absence.lasts(now))).collect();
        if spools.len() < SPOOLS_MAX {
            return true;
        }
        let away = spools.into_iter().filter_map(|(key, away)| Some((key, away?)));
        let longest = away.max_by_key(|(_, away)| *away);
        let evicted = longest.filter(|(_, away)| *away >= SPOOL_EVICTED_AFTER);
        // Its task counts what it held.
        evicted.is_some_and(|(key, _)| self.served.remove(&key).is_some())
    }

    fn open_spool(
        &mut self,
        (manager, subscription): Key,
        pattern: &ObjectNamePattern,
        standing: bool,
        boot: u64,
    ) -> Option<(Spooling, Outbox)> {
        if !standing || self.spools.is_none() {
            return None;
        }
        if !self.has_spool_room() {
            self.counters.spools_refused.add(1);
            return None;
        }
        let root = self.spools.as_ref()?;
        let attached_ms = now_ms();
        let standing = Standing { manager, subscription, pattern: pattern.clone(), boot, attached_ms };
        Spooling::open(root, standing, self.peer, &self.counters)
    }

    /// The records held as objects that began within the last `missed`, the earliest first.
    fn held_since(&self, missed: Duration) -> Vec<ArmRecord> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_ms = u64::try_from(now.saturating_sub(missed).as_millis()).unwrap_or(u64::MAX);
        let held = self.beans.query(&ObjectNamePattern::everything());
        let mut records: Vec<ArmRecord> = held
            .iter()
            .filter_map(|(_, bean)| bean.record().filter(|record| record.at_ms >= since_ms).cloned())
            .collect();
        records.sort_by_key(|record| record.at_ms);
        records
    }

    /// Removes a subscription that has ended; waits for one.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn reap(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok((key, serial))) => {
                if self.served.get(&key).is_some_and(|served| served.serial == serial) {
                    self.served.remove(&key);
                }
            }
            Some(Err(error)) => {
                tracing::error!(%error, "subscription failed");
                self.served.retain(|_, served| !served.attaches.is_closed());
            }
            None => std::future::pending().await,
        }
        self.counters.subscriptions.set(self.served.len() as u64);
    }

    /// Waits for all to say farewell, which each does when the agent stops.
    pub(super) async fn join(&mut self) {
        while self.tasks.join_next().await.is_some() {}
        self.served.clear();
        self.counters.subscriptions.set(0);
    }

    /// Makes room within what one manager may have: its oldest subscription ends.
    fn end_oldest_of(&mut self, manager: PeerId) {
        let own = self.served.iter().filter(|((peer, _), _)| *peer == manager);
        let mut own: Vec<(u64, Key)> = own.map(|(key, served)| (served.serial, *key)).collect();
        own.sort_unstable();
        let excess = (own.len() + 1).saturating_sub(SUBSCRIPTIONS_PER_MANAGER_MAX);
        for (_, key) in own.into_iter().take(excess) {
            self.served.remove(&key);
        }
    }

    /// Tells a manager that there is no room, beside everything else: it may be slow to hear it.
    fn refuse(&mut self, mut pipe: BidiPipe) {
        self.counters.subscriptions_refused.add(1);
        while self.refusals.try_join_next().is_some() {}
        let Ok(full) = FromAgent::encode_full() else { return };
        if self.refusals.len() >= SUBSCRIBING_MAX {
            return;
        }
        self.refusals.spawn(async move {
            let telling = async {
                pipe.send(full).await.ok()?;
                pipe.close().await.ok()
            };
            // One that does not even take a few bytes finds its pipe closed.
            let _ = tokio::time::timeout(SUBSCRIBING_TIMEOUT, telling).await;
        });
    }
}

/// Waits for a pipe's first message; `None` when it does not come in time or is no subscription.
pub(super) async fn read_subscribe(mut pipe: BidiPipe) -> Option<Subscribed> {
    let first = tokio::time::timeout(SUBSCRIBING_TIMEOUT, pipe.recv()).await.ok()?.ok()??;
    match FromManager::decode(&first) {
        Ok(FromManager::Subscribe { subscription, pattern, resume_from, missed, standing, terms }) => {
            let key = (pipe.remote(), subscription);
            let attach = Attach { pipe, pattern, resume_from, missed, veil: None, standing, terms };
            Some(Subscribed { key, attach })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
