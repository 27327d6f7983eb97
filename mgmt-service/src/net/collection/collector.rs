//! Following one agent: subscribe, commit its batches, acknowledge; again when the pipe breaks.
//!
//! In: the agent's messages. Out: commits. A batch is committed once, whatever pipes break (at-least-once delivery, and
//! the numbers in [`Inbox`]). Ends when the agent stays unreachable; the next look for agents starts it again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use overlay::{BidiPipe, PeerGroup, PeerId};
use tokio::sync::{mpsc, watch};

use super::sink::{Place, SinkHandle};
use super::{Ending, Heard, Shared};
use crate::jmx::ObjectNamePattern;
use crate::limits::{
    AGENT_GIVEN_UP_AFTER, CREDIT_BYTES, FLUSH_TIMEOUT, PUSH_SEND_TIMEOUT, SUBSCRIBE_RETRY_MAX,
};
use crate::protocol::{DictionaryReader, FromAgent, FromManager, Notice, RecordBatch, Terms, pipe_id};
use crate::subscription::Verdict;

/// What follows one agent.
pub(super) struct Collector {
    pub(super) group: PeerGroup,
    /// How long the agent may take to accept a pipe.
    pub(super) patience: Duration,
    pub(super) agent: PeerId,
    /// Whether the agent is seen by its pseudonym, as the others are: records have no id then.
    pub(super) sees_pseudonyms: bool,
    pub(super) subscription: u64,
    pub(super) pattern: ObjectNamePattern,
    pub(super) sink: SinkHandle,
    pub(super) ending: watch::Receiver<Option<Ending>>,
    /// How many watch; those who don't collect for later always do.
    pub(super) watching: watch::Receiver<usize>,
    pub(super) shared: Arc<Shared>,
    pub(super) collecting_since: Instant,
    pub(super) standing: bool,
    /// Who wants to hear what monitors say.
    pub(super) notices: Option<mpsc::Sender<Heard>>,
}

/// A pipe to the agent, and what came on it.
struct Line {
    pipe: BidiPipe,
    dictionary: DictionaryReader,
    /// The last number that was acknowledged on it; 0 before.
    acknowledged: u64,
    /// Bytes of the batches that were committed.
    committed_bytes: u64,
}

/// Why a pipe is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// Everything was flushed and acknowledged: the end.
    Flushed,
    /// It broke, or the agent broke the protocol: try again.
    Broken,
    /// The agent has no room: try again later.
    Full,
    /// The sink has failed: the end.
    SinkFailed,
}

impl Collector {
    pub(super) async fn run(self) {
        let mut ending = self.ending.clone();
        let (mut retry, mut unreachable_since) = (SUBSCRIBE_RETRY_MAX / 5, Instant::now());
        loop {
            let opened = self.open_or_stop(&mut ending).await;
            if opened.is_none() && ending.borrow().is_some() {
                return;
            }
            if let Some(pipe) = opened {
                tracing::debug!(peer = %self.agent, "subscribed");
                self.shared.lock().reached.insert(self.agent);
                let over = self.receive(pipe, &mut ending).await;
                let mut agents = self.shared.lock();
                agents.reached.remove(&self.agent);
                agents.left_at.insert(self.agent, Instant::now());
                drop(agents);
                match over {
                    Over::Flushed | Over::SinkFailed => return,
                    Over::Broken => self.shared.counters.pipes_broken.add(1),
                    Over::Full => self.shared.counters.agents_full.add(1),
                }
                (retry, unreachable_since) = (SUBSCRIBE_RETRY_MAX / 5, Instant::now());
            } else if unreachable_since.elapsed() >= AGENT_GIVEN_UP_AFTER {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(retry) => retry = (retry * 2).min(SUBSCRIBE_RETRY_MAX),
                () = asked_to_end(&mut ending) => return,
            }
        }
    }

    /// A pipe to the agent. When the collection stops meanwhile, the agent may count on the subscription already, so the
    /// open is given a little longer, for the flush that follows.
    async fn open_or_stop(&self, ending: &mut watch::Receiver<Option<Ending>>) -> Option<BidiPipe> {
        let opening = self.open();
        tokio::pin!(opening);
        tokio::select! {
            opened = &mut opening => opened,
            () = asked_to_end(ending) => {
                let part = part_of_end(ending);
                tokio::time::timeout(part, opening).await.ok().flatten()
            }
        }
    }

    /// A pipe to the agent on which the subscription has been asked for.
    async fn open(&self) -> Option<BidiPipe> {
        let (resume_from, left_at) = {
            let mut agents = self.shared.lock();
            let resume_from = agents.inboxes.entry(self.agent).or_default().resume_from();
            (resume_from, agents.left_at.get(&self.agent).copied())
        };
        let (subscription, pattern) = (self.subscription, self.pattern.clone());
        let missed = left_at.unwrap_or(self.collecting_since).elapsed();
        let (standing, terms) = (self.standing, self.terms(0));
        let subscribe =
            FromManager::Subscribe { subscription, pattern, resume_from, missed, standing, terms };
        let first = subscribe.encode().ok()?;
        let pipe = pipe_id(&self.group.id(), &self.agent);
        match self.group.connect_with(self.agent, pipe, Some(first), self.patience).await {
            Ok(pipe) => Some(pipe),
            Err(error) => {
                tracing::debug!(peer = %self.agent, reason = %error, "agent not reached");
                None
            }
        }
    }

    /// The pseudonym under which the agent is seen, if it is. Others may claim it at any time.
    fn shown_as(&self) -> Option<PeerId> {
        if self.sees_pseudonyms { self.shared.lock().pseudonym(&self.agent) } else { None }
    }

    /// On which terms a pipe goes on when so many bytes that came on it are committed.
    fn terms(&self, committed_bytes: u64) -> Terms {
        let watched = !self.standing || *self.watching.borrow() > 0;
        let notices = self.notices.is_some();
        Terms { granted: Some(committed_bytes.saturating_add(CREDIT_BYTES)), watched, notices }
    }

    /// Commits what comes until the pipe is over.
    async fn receive(&self, pipe: BidiPipe, ending: &mut watch::Receiver<Option<Ending>>) -> Over {
        let dictionary = DictionaryReader::default();
        let mut line = Line { pipe, dictionary, acknowledged: 0, committed_bytes: 0 };
        let (mut flushing, mut watching) = (ending.borrow().is_some(), self.watching.clone());
        if flushing && self.say(&mut line.pipe, &FromManager::Flush).await.is_none() {
            return Over::Broken;
        }
        loop {
            let (received, told) = tokio::select! {
                received = line.pipe.recv() => (Some(received), Some(())),
                () = asked_to_end(ending), if !flushing => {
                    flushing = true;
                    (None, self.say(&mut line.pipe, &FromManager::Flush).await)
                }
                () = changed(&mut watching), if self.standing => (None, self.acknowledge(&mut line).await),
            };
            if told.is_none() {
                return Over::Broken;
            }
            let Some(received) = received else { continue };
            let Ok(Some(bytes)) = received else { return Over::Broken };
            // Decoded it is larger, so it comes out of its bytes when it has a place with the sink.
            let Some(place) = self.sink.place().await else { return Over::SinkFailed };
            match FromAgent::decode(self.agent, &mut line.dictionary, &bytes) {
                Ok(FromAgent::Batch(batch)) => {
                    if let Some(over) = self.take(&mut line, batch, bytes.len() as u64, place).await {
                        return over;
                    }
                }
                Ok(FromAgent::Flushed { .. }) if flushing => {
                    let unsubscribes = ending.borrow().is_some_and(|end| !end.leaves);
                    self.part(&mut line.pipe, unsubscribes, part_of_end(ending)).await;
                    return Over::Flushed;
                }
                Ok(FromAgent::Flushed { .. }) => {}
                Ok(FromAgent::Full) => return Over::Full,
                Ok(FromAgent::Notice(notice)) => {
                    // It needs none with the sink, and may wait for long.
                    drop(place);
                    self.hear(notice).await;
                }
                Err(error) => {
                    tracing::debug!(peer = %self.agent, reason = %error, "agent breaks the protocol");
                    return Over::Broken;
                }
            }
        }
    }

    /// Hands on what monitors said, once; waits while there is no room.
    async fn hear(&self, mut notice: Notice) {
        let Some(notices) = &self.notices else { return };
        let known = self.shared.lock().heard.get(&self.agent).copied();
        let before = known.and_then(|(boot, up_to)| (boot == notice.boot).then_some(up_to));
        let (lost, last) =
            (before.map_or(0, |before| notice.after.saturating_sub(before)), before.unwrap_or(0));
        notice.said.retain(|said| said.serial > last);
        self.shared.lock().heard.insert(self.agent, (notice.boot, notice.up_to.max(last)));
        self.shared.counters.notifications.add(notice.said.len() as u64);
        self.shared.counters.notifications_lost.add(lost);
        let Notice { monitors, said, .. } = notice;
        let heard = Heard {
            peer: self.shown_as().unwrap_or(self.agent),
            anew: before.is_none(),
            monitors,
            said,
            lost,
        };
        // Who no longer listens misses nothing.
        let _ = notices.send(heard).await;
    }

    /// Commits a batch and acknowledges it; why the pipe is over, when it is.
    async fn take(
        &self,
        line: &mut Line,
        mut batch: RecordBatch,
        bytes: u64,
        place: Place<'_>,
    ) -> Option<Over> {
        if let Some(pseudonym) = self.shown_as() {
            batch.records.iter_mut().for_each(|record| record.peer = pseudonym);
        }
        let (boot, seq, dropped) = (batch.boot, batch.seq, batch.dropped);
        let verdict =
            self.shared.lock().inboxes.entry(self.agent).or_default().judge_lossy(boot, seq, dropped);
        let counters = &self.shared.counters;
        match verdict {
            Verdict::Gap => return Some(Over::Broken),
            Verdict::Duplicate => counters.batches_again.add(1),
            Verdict::New => {
                let (count, folded) = (batch.records.len() as u64, batch.folded());
                if !place.commit(self.agent, batch).await {
                    return Some(Over::SinkFailed);
                }
                let mut agents = self.shared.lock();
                agents.inboxes.entry(self.agent).or_default().committed(boot, seq, dropped);
                agents.delivered.insert(self.agent);
                drop(agents);
                counters.records.add(count);
                counters.records_folded.add(folded);
                counters.batches.add(1);
            }
        }
        (line.acknowledged, line.committed_bytes) = (seq, line.committed_bytes.saturating_add(bytes));
        self.acknowledge(line).await.is_none().then_some(Over::Broken)
    }

    /// Says up to which number everything is committed, and on which terms the pipe goes on.
    async fn acknowledge(&self, line: &mut Line) -> Option<()> {
        let terms = self.terms(line.committed_bytes);
        self.say(&mut line.pipe, &FromManager::Ack { seq: line.acknowledged, terms }).await
    }

    /// Closes the pipe, so that what was said last arrives; with the subscription, if the agent shall keep nothing for it.
    async fn part(&self, pipe: &mut BidiPipe, unsubscribes: bool, within: Duration) {
        if !unsubscribes || self.say(pipe, &FromManager::Unsubscribe).await.is_some() {
            // The agent closes its side when it has read this.
            let closing = async {
                pipe.close().await.ok()?;
                pipe.recv().await.ok()
            };
            let _ = tokio::time::timeout(within, closing).await;
        }
    }

    async fn say(&self, pipe: &mut BidiPipe, message: &FromManager) -> Option<()> {
        let bytes = message.encode().ok()?;
        tokio::time::timeout(PUSH_SEND_TIMEOUT, pipe.send(bytes)).await.ok()?.ok()
    }
}

/// How long a pipe that is being opened when the collection ends is still waited for, or one that closes: half of the time
/// that all of the end has. If it does not open, the agent keeps its records for a while, and they are counted there.
fn part_of_end(ending: &watch::Receiver<Option<Ending>>) -> Duration {
    ending.borrow().map_or(FLUSH_TIMEOUT, |end| end.within) / 2
}

/// Waits until the collection is asked to end. One that is dropped says no farewell: its tasks are ended, and agents keep
/// what they have for the next one.
///
/// # Cancel safety
/// Safe.
pub(super) async fn asked_to_end(ending: &mut watch::Receiver<Option<Ending>>) {
    changed(ending).await;
}

/// Waits until there is another value; for ever when there will be none.
async fn changed<T>(value: &mut watch::Receiver<T>) {
    if value.changed().await.is_err() {
        std::future::pending().await
    }
}
