//! Where records end up: a sink that writes and commits, on a thread of its own since disks block.
//!
//! In: batches of all agents. Out: for each, the word that it is committed. Batches that wait share one commit. The
//! first failure ends the sink; what was not committed is never acknowledged.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use overlay::PeerId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::arm::ArmRecord;
use crate::latency::LatencyMatrix;
use crate::limits::{SINK_IDLE, SINK_QUEUE, SINK_RETRY};
use crate::protocol::RecordBatch;
use crate::subscription::Inbox;

/// What a sink kept of an earlier run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// The number of the subscription; the agents know it, if they still keep something for it.
    pub subscription: u64,
    /// What each agent has delivered, and for how long nobody has listened to it.
    pub inboxes: Vec<(PeerId, Inbox, Duration)>,
}

/// A place for records. Called on a thread where blocking is allowed.
pub trait RecordSink: Send + 'static {
    /// Takes records of one agent; they may be kept in memory until [`Self::commit`].
    ///
    /// # Errors
    /// When they can't be taken; the collection then ends.
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()>;

    /// Takes a batch of `peer`; a sink that knows numbers keeps each number once.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn write_batch(&mut self, peer: PeerId, batch: &RecordBatch) -> io::Result<()> {
        let _ = peer;
        self.write(&batch.records)
    }

    /// Makes what was written durable, in the sense that the sink has; agents then forget it.
    ///
    /// # Errors
    /// When it can't be; the collection then ends. After an error of kind `StorageFull` it is called again every
    /// `SINK_RETRY` until there is room: what was written must not be lost by it.
    fn commit(&mut self) -> io::Result<()>;

    /// What earlier runs kept, for a collection that goes on where they were; called once, before all else.
    ///
    /// # Errors
    /// When it can't be read; the collection then ends.
    fn resume(&mut self) -> io::Result<Option<Resume>> {
        Ok(None)
    }

    /// Everything is committed, no more will come, and agents keep nothing for a next run. Not called for a collection
    /// that is dropped or leaves standing subscriptions.
    ///
    /// # Errors
    /// When this can't be noted.
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl RecordSink for crate::csv::CsvFile {
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()> {
        self.append(records).map_err(io::Error::other)
    }

    fn commit(&mut self) -> io::Result<()> {
        Self::commit(self).map_err(io::Error::other)
    }
}

/// The live view (paper, figure 3): others may look at the matrix while it is filled.
impl RecordSink for Arc<Mutex<LatencyMatrix>> {
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()> {
        let mut matrix = self.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().for_each(|record| matrix.record(record));
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both are filled; the first that fails ends both.
impl<A: RecordSink, B: RecordSink> RecordSink for (A, B) {
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()> {
        self.0.write(records)?;
        self.1.write(records)
    }

    fn write_batch(&mut self, peer: PeerId, batch: &RecordBatch) -> io::Result<()> {
        self.0.write_batch(peer, batch)?;
        self.1.write_batch(peer, batch)
    }

    fn commit(&mut self) -> io::Result<()> {
        self.0.commit()?;
        self.1.commit()
    }

    fn resume(&mut self) -> io::Result<Option<Resume>> {
        let (first, second) = (self.0.resume()?, self.1.resume()?);
        Ok(first.or(second))
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.end()?;
        self.1.end()
    }
}

/// None is no sink, so that an option of a user can be passed as it is.
impl<S: RecordSink> RecordSink for Option<S> {
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()> {
        self.as_mut().map_or(Ok(()), |sink| sink.write(records))
    }

    fn write_batch(&mut self, peer: PeerId, batch: &RecordBatch) -> io::Result<()> {
        self.as_mut().map_or(Ok(()), |sink| sink.write_batch(peer, batch))
    }

    fn commit(&mut self) -> io::Result<()> {
        self.as_mut().map_or(Ok(()), RecordSink::commit)
    }

    fn resume(&mut self) -> io::Result<Option<Resume>> {
        self.as_mut().map_or(Ok(None), RecordSink::resume)
    }

    fn end(&mut self) -> io::Result<()> {
        self.as_mut().map_or(Ok(()), RecordSink::end)
    }
}

/// A sink made of what to do with the records; nothing is committed.
impl<F: FnMut(&[ArmRecord]) -> io::Result<()> + Send + 'static> RecordSink for F {
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()> {
        self(records)
    }

    fn commit(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Commit {
    peer: PeerId,
    batch: RecordBatch,
    committed: oneshot::Sender<()>,
}

/// A handle on the thread that writes.
#[derive(Debug)]
pub(super) struct SinkHandle {
    commits: mpsc::Sender<Commit>,
    /// The first handle has the thread's end, and how to tell it that everything was flushed.
    writing: Option<(JoinHandle<()>, oneshot::Sender<()>)>,
}

impl Clone for SinkHandle {
    fn clone(&self) -> Self {
        Self { commits: self.commits.clone(), writing: None }
    }
}

/// Room for one batch in the sink's queue.
#[derive(Debug)]
pub(super) struct Place<'sink>(mpsc::Permit<'sink, Commit>);

impl Place<'_> {
    /// Commits a batch; false when the sink has failed.
    ///
    /// # Cancel safety
    /// The records may be committed or not; nobody learns which.
    pub(super) async fn commit(self, peer: PeerId, batch: RecordBatch) -> bool {
        let (committed, done) = oneshot::channel();
        self.0.send(Commit { peer, batch, committed });
        done.await.is_ok()
    }
}

/// A handle, what the sink kept of an earlier run, and what it fails with.
type Started = (SinkHandle, oneshot::Receiver<Option<Resume>>, oneshot::Receiver<io::Error>);

impl SinkHandle {
    /// Starts the thread; the first receiver answers with what the sink kept, the second when the sink fails.
    pub(super) fn start(sink: Box<dyn RecordSink>) -> Started {
        let (commits, queue) = mpsc::channel(SINK_QUEUE);
        let (failed, failure) = oneshot::channel();
        let (resume, resumed) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let writing = tokio::task::spawn_blocking(move || write(sink, queue, (resume, failed), ended));
        (Self { commits, writing: Some((writing, end)) }, resumed, failure)
    }

    /// Waits for room for one batch; none when the sink has failed.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn place(&self) -> Option<Place<'_>> {
        self.commits.reserve().await.ok().map(Place)
    }

    /// Waits until all that was sent is committed; no other handle may be left. `is_end` says that no agent keeps
    /// anything for this sink, which it may note.
    pub(super) async fn close(self, is_end: bool) {
        let Self { commits, writing } = self;
        let Some((writing, end)) = writing else { return };
        if is_end {
            // A sink that failed does not listen.
            let _ = end.send(());
        }
        drop(commits);
        if let Err(error) = writing.await {
            tracing::error!(%error, "record sink failed");
        }
    }
}

fn write(
    mut sink: Box<dyn RecordSink>,
    mut queue: mpsc::Receiver<Commit>,
    (resume, failed): (oneshot::Sender<Option<Resume>>, oneshot::Sender<io::Error>),
    mut ended: oneshot::Receiver<()>,
) {
    match sink.resume() {
        // A collection that was dropped meanwhile does not listen; its queue is closed too.
        Ok(resumed) => drop(resume.send(resumed)),
        Err(error) => return drop(failed.send(error)),
    }
    let runtime = tokio::runtime::Handle::current();
    loop {
        // What comes beside batches, such as what peers use, is kept while no batch comes, too.
        let next = runtime.block_on(async { tokio::time::timeout(SINK_IDLE, queue.recv()).await });
        let mut together = match next {
            Ok(Some(first)) => vec![first],
            Ok(None) => break,
            Err(_) => Vec::new(),
        };
        while !together.is_empty()
            && together.len() < SINK_QUEUE
            && let Ok(next) = queue.try_recv()
        {
            together.push(next);
        }
        let written = together.iter().try_for_each(|commit| sink.write_batch(commit.peer, &commit.batch));
        if let Err(error) = written.and_then(|()| commit(sink.as_mut(), &queue)) {
            // Nobody may be left to hear it; the collection is then over anyway.
            let _ = failed.send(error);
            return;
        }
        for commit in together {
            // The agent's task may have ended meanwhile; the agent sends again, and the numbers tell.
            let _ = commit.committed.send(());
        }
    }
    // One that was dropped, or leaves its subscriptions standing, goes on with the next run.
    let last = if ended.try_recv().is_ok() { sink.end() } else { sink.commit() };
    if let Err(error) = last {
        let _ = failed.send(error);
    }
}

/// Commits; while there is no room on the disk, again and again until somebody makes some or the collection ends.
fn commit(sink: &mut dyn RecordSink, queue: &mpsc::Receiver<Commit>) -> io::Result<()> {
    let mut told = false;
    loop {
        match sink.commit() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull && !queue.is_closed() => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(reason = %error, "no room for records: agents keep them until there is");
                }
                std::thread::sleep(SINK_RETRY);
            }
            other => return other,
        }
    }
}
