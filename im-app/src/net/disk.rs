//! The database on threads of its own: one that writes, in groups, and one that reads.
//!
//! In: batches and questions, in bounded queues. Out: an outcome for each batch once it is on the disk, and answers.
//! All batches that wait while the disk flushes are written together with the next flush (`GROUP_COMMIT_MAX`).

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;
use crate::limits::{GROUP_COMMIT_MAX, STORE_QUEUE_MAX, STORE_READS_MAX};
use crate::store::{Database, History, HistoryQuery, Kept, Op, Outcome};

/// What a batch came to.
pub(super) type Written = Result<Outcome, Arc<StoreError>>;

/// The database's two threads; they end when all handles on it are gone.
#[derive(Debug)]
pub(super) struct Disk {
    writes: mpsc::Sender<Write>,
    reads: mpsc::Sender<Read>,
    threads: Vec<JoinHandle<()>>,
}

/// For tasks that ask.
#[derive(Debug, Clone)]
pub(super) struct DiskReader {
    reads: mpsc::Sender<Read>,
}

#[derive(Debug)]
struct Write {
    ops: Vec<Op>,
    done: oneshot::Sender<Written>,
}

#[derive(Debug)]
enum Read {
    History(HistoryQuery, oneshot::Sender<Result<Option<History>, StoreError>>),
    Events {
        since: u64,
        until: u64,
        limit: u64,
        answer: oneshot::Sender<Result<Vec<(u64, String)>, StoreError>>,
    },
}

impl Disk {
    /// Opens the database at `path`; what was kept in it. Blocks while SQLite works.
    pub(super) fn open(path: &Path) -> Result<(Self, Kept), StoreError> {
        let writer = Database::open(path)?;
        let reader = Database::open(path)?;
        let kept = writer.load()?;
        let (writes, write_queue) = mpsc::channel(STORE_QUEUE_MAX);
        let (reads, read_queue) = mpsc::channel(STORE_READS_MAX);
        let thread = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
            started.map_err(|source| StoreError::Io { path: path.to_owned(), source })
        };
        let threads = vec![
            thread("im-writes", Box::new(move || write(writer, write_queue)))?,
            thread("im-reads", Box::new(move || read(&reader, read_queue)))?,
        ];
        let disk = Self { writes, reads, threads };
        Ok((disk, kept))
    }

    /// Hands over a batch; its outcome comes when it is on the disk. The caller keeps fewer than `STORE_QUEUE_MAX`
    /// under way, so there is room.
    pub(super) fn write(&self, ops: Vec<Op>) -> oneshot::Receiver<Written> {
        let (done, outcome) = oneshot::channel();
        if let Err(refused) = self.writes.try_send(Write { ops, done }) {
            let write = refused.into_inner();
            // Nobody waits when the messenger is ending.
            let _ = write.done.send(Err(Arc::new(StoreError::Closed)));
        }
        outcome
    }

    /// A handle for questions.
    pub(super) fn reader(&self) -> DiskReader {
        DiskReader { reads: self.reads.clone() }
    }

    /// Waits until everything handed over is written and the file is closed. Blocks.
    pub(super) fn close(self) {
        let Self { writes, reads, threads } = self;
        drop((writes, reads));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the database failed");
            }
        }
    }
}

impl DiskReader {
    /// See [`Database::history`].
    pub(super) async fn history(&self, query: HistoryQuery) -> Result<Option<History>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Read::History(query, answer), answered).await
    }

    /// See [`Database::events`].
    pub(super) async fn events(
        &self,
        since: u64,
        until: u64,
        limit: u64,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let read = Read::Events { since, until, limit, answer };
        self.ask(read, answered).await
    }

    async fn ask<T>(
        &self,
        read: Read,
        answered: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.reads.send(read).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

fn write(mut database: Database, mut queue: mpsc::Receiver<Write>) {
    while let Some(first) = queue.blocking_recv() {
        let mut batches = vec![first.ops];
        let mut waiting = vec![first.done];
        while batches.len() < GROUP_COMMIT_MAX {
            let Ok(next) = queue.try_recv() else { break };
            batches.push(next.ops);
            waiting.push(next.done);
        }
        match database.apply(&batches) {
            Ok(outcomes) => {
                for (done, outcome) in waiting.into_iter().zip(outcomes) {
                    // Nobody waits when the messenger was dropped.
                    let _ = done.send(Ok(outcome));
                }
            }
            Err(error) => {
                tracing::error!(%error, "database not written");
                let error = Arc::new(error);
                for done in waiting {
                    let _ = done.send(Err(Arc::clone(&error)));
                }
            }
        }
    }
}

fn read(database: &Database, mut queue: mpsc::Receiver<Read>) {
    while let Some(read) = queue.blocking_recv() {
        // Who asked may be gone.
        match read {
            Read::History(query, answer) => drop(answer.send(database.history(&query))),
            Read::Events { since, until, limit, answer } => {
                drop(answer.send(database.events(since, until, limit)))
            }
        }
    }
}
