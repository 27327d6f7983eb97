//! Where records end up: a sink that writes and commits, on a thread of its own since disks block.
//!
//! In: batches of all agents. Out: for each, the word that it is committed. Batches that wait share one commit. The
//! first failure ends the sink; what was not committed is never acknowledged.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::arm::ArmRecord;
use crate::latency::LatencyMatrix;
use crate::limits::SINK_QUEUE;

/// A place for records. Called on a thread where blocking is allowed.
pub trait RecordSink: Send + 'static {
    /// Takes records of one agent; they may be kept in memory until [`Self::commit`].
    ///
    /// # Errors
    /// When they can't be taken; the collection then ends.
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()>;

    /// Makes what was written durable, in the sense that the sink has; agents then forget it.
    ///
    /// # Errors
    /// When it can't be; the collection then ends.
    fn commit(&mut self) -> io::Result<()>;
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

    fn commit(&mut self) -> io::Result<()> {
        self.0.commit()?;
        self.1.commit()
    }
}

/// None is no sink, so that an option of a user can be passed as it is.
impl<S: RecordSink> RecordSink for Option<S> {
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()> {
        self.as_mut().map_or(Ok(()), |sink| sink.write(records))
    }

    fn commit(&mut self) -> io::Result<()> {
        self.as_mut().map_or(Ok(()), RecordSink::commit)
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
    records: Vec<ArmRecord>,
    committed: oneshot::Sender<()>,
}

/// A handle on the thread that writes.
#[derive(Debug)]
pub(super) struct SinkHandle {
    commits: mpsc::Sender<Commit>,
    /// The first handle, which waits for the end.
    writing: Option<JoinHandle<()>>,
}

impl Clone for SinkHandle {
    fn clone(&self) -> Self {
        Self { commits: self.commits.clone(), writing: None }
    }
}

impl SinkHandle {
    /// Starts the thread; the receiver answers when the sink fails.
    pub(super) fn start(sink: Box<dyn RecordSink>) -> (Self, oneshot::Receiver<io::Error>) {
        let (commits, queue) = mpsc::channel(SINK_QUEUE);
        let (failed, failure) = oneshot::channel();
        let writing = tokio::task::spawn_blocking(move || write(sink, queue, failed));
        (Self { commits, writing: Some(writing) }, failure)
    }

    /// Commits records; false when the sink has failed.
    ///
    /// # Cancel safety
    /// The records may be committed or not; nobody learns which.
    pub(super) async fn commit(&self, records: Vec<ArmRecord>) -> bool {
        let (committed, done) = oneshot::channel();
        self.commits.send(Commit { records, committed }).await.is_ok() && done.await.is_ok()
    }

    /// Waits until all that was sent is committed; no other handle may be left.
    pub(super) async fn close(self) {
        let Self { commits, writing } = self;
        drop(commits);
        if let Some(writing) = writing
            && let Err(error) = writing.await
        {
            tracing::error!(%error, "record sink failed");
        }
    }
}

fn write(
    mut sink: Box<dyn RecordSink>,
    mut queue: mpsc::Receiver<Commit>,
    failed: oneshot::Sender<io::Error>,
) {
    while let Some(first) = queue.blocking_recv() {
        let mut together = vec![first];
        while together.len() < SINK_QUEUE
            && let Ok(next) = queue.try_recv()
        {
            together.push(next);
        }
        let written = together.iter().try_for_each(|commit| sink.write(&commit.records));
        if let Err(error) = written.and_then(|()| sink.commit()) {
            // Nobody may be left to hear it; the collection is then over anyway.
            let _ = failed.send(error);
            return;
        }
        for commit in together {
            // The agent's task may have ended meanwhile; the agent sends again, and the numbers tell.
            let _ = commit.committed.send(());
        }
    }
}
