//! The cache on a disk: what was published here and found elsewhere, so that a peer that starts again knows it.
//!
//! In: signed advertisements as they come. Out: a file that is replaced whole, at most once in
//! [`CACHE_SAVE_PERIOD`], off the event loop; what it holds when the peer starts, verified again. A power cut costs what
//! came since; a file that cannot be written is counted and tried again. Bounds: as many advertisements as the cache may
//! hold, those that end first make room; [`CACHE_QUEUE`] between two looks.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libp2p::PeerId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::advertisement::SignedAdvertisement;
use crate::core::cache_records::{self, CacheRecord};
use crate::id::AdvertisementId;
use crate::limits::{CACHE_FILE_BYTES_MAX, CACHE_QUEUE, CACHE_SAVE_PERIOD};
use crate::meters::Meters;

/// What a peer knew when it last ran.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// What still counts, and for how long.
    pub(crate) advertisements: Vec<(SignedAdvertisement, Duration)>,
    /// The greatest sequence that this peer has signed with.
    pub(crate) sequence: u64,
}

/// Keeps a file up to date; [`finish`](Self::finish) writes what is still to be written.
#[derive(Debug)]
pub(crate) struct CacheFile {
    changes: mpsc::Sender<SignedAdvertisement>,
    task: JoinHandle<()>,
    meters: Arc<Meters>,
}

/// What the file is to hold.
struct Kept {
    path: PathBuf,
    max: usize,
    me: PeerId,
    records: HashMap<AdvertisementId, (u64, CacheRecord)>,
    /// When each ends, in milliseconds since the epoch.
    ends: BTreeSet<(u64, AdvertisementId)>,
    sequence: u64,
}

impl CacheFile {
    /// Reads the file in `dir`, which is made if it is missing, and keeps it from now on.
    ///
    /// # Errors
    /// When the directory can't be made or its file can't be read; a damaged file is no error.
    pub(crate) async fn open(
        dir: PathBuf,
        me: PeerId,
        max: usize,
        meters: Arc<Meters>,
    ) -> io::Result<(Self, Restored)> {
        let counting = meters.clone();
        let reading = tokio::task::spawn_blocking(move || Kept::read(&dir, me, max, &counting));
        let (kept, restored) = reading.await.map_err(io::Error::other)??;
        let (changes, queue) = mpsc::channel(CACHE_QUEUE);
        let task = tokio::spawn(keep(kept, queue, meters.clone()));
        Ok((Self { changes, task, meters }, restored))
    }

    /// Takes in what has become known.
    pub(crate) fn learned(&self, signed: &SignedAdvertisement) {
        if self.changes.try_send(signed.clone()).is_err() {
            self.meters.cache_saves_failed.add(1);
        }
    }

    /// Writes what is still to be written.
    pub(crate) async fn finish(self) {
        drop(self.changes);
        // A panic in it is nothing that the end of a peer could mend.
        let _ = self.task.await;
    }
}

/// Writes what has changed, together, until nothing more comes.
async fn keep(mut kept: Kept, mut changes: mpsc::Receiver<SignedAdvertisement>, meters: Arc<Meters>) {
    while let Some(signed) = changes.recv().await {
        kept.learn(&signed);
        let until = tokio::time::Instant::now() + CACHE_SAVE_PERIOD;
        while let Ok(Some(signed)) = tokio::time::timeout_at(until, changes.recv()).await {
            kept.learn(&signed);
        }
        let writing = tokio::task::spawn_blocking(move || {
            let written = kept.write();
            (kept, written)
        });
        let Ok((back, written)) = writing.await else {
            meters.task_panics.add(1);
            return;
        };
        kept = back;
        if let Err(error) = written {
            tracing::warn!(path = %kept.path.display(), reason = %error, "the cache was not written");
            meters.cache_saves_failed.add(1);
        }
    }
}

impl Kept {
    fn read(dir: &Path, me: PeerId, max: usize, meters: &Meters) -> io::Result<(Self, Restored)> {
        fs::create_dir_all(dir)?;
        let path = dir.join(FILE);
        let (records, ends) = (HashMap::new(), BTreeSet::new());
        let mut kept = Self { path, max, me, records, ends, sequence: 0 };
        let mut bytes = Vec::new();
        match File::open(&kept.path) {
            Ok(file) => drop(file.take(CACHE_FILE_BYTES_MAX).read_to_end(&mut bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let (records, skipped) = cache_records::decode(&bytes);
        meters.cache_records_skipped.add(skipped);
        let (now_ms, mut restored) = (now_ms(), Restored::default());
        for record in records {
            match record {
                CacheRecord::Sequence(sequence) => restored.sequence = restored.sequence.max(sequence),
                CacheRecord::Advertisement { known_ms, ends_ms, envelope } => {
                    let Ok(signed) = SignedAdvertisement::verify(envelope) else {
                        meters.cache_records_skipped.add(1);
                        continue;
                    };
                    if signed.publisher() == me {
                        restored.sequence = restored.sequence.max(signed.sequence());
                    }
                    let left = cache_records::remaining(now_ms, known_ms, ends_ms, signed.lifetime().remote);
                    if !left.is_zero() {
                        kept.put(&signed, now_ms, left);
                        restored.advertisements.push((signed, left));
                    }
                }
            }
        }
        kept.sequence = restored.sequence;
        Ok((kept, restored))
    }

    /// Keeps what is newer than what is kept, from now on for its lifetime.
    fn learn(&mut self, signed: &SignedAdvertisement) {
        if signed.publisher() == self.me {
            self.sequence = self.sequence.max(signed.sequence());
        }
        let known = self.records.get(&signed.id());
        if known.is_none_or(|(sequence, _)| *sequence < signed.sequence()) {
            self.put(signed, now_ms(), signed.lifetime().remote);
        }
    }

    fn put(&mut self, signed: &SignedAdvertisement, known_ms: u64, left: Duration) {
        let id = signed.id();
        let ends_ms = known_ms.saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        self.remove(&id);
        while self.records.len() >= self.max.max(1) {
            let Some((_, first)) = self.ends.first().copied() else { break };
            self.remove(&first);
        }
        let record = CacheRecord::Advertisement { known_ms, ends_ms, envelope: signed.to_bytes() };
        self.records.insert(id, (signed.sequence(), record));
        self.ends.insert((ends_ms, id));
    }

    fn remove(&mut self, id: &AdvertisementId) {
        if let Some((_, CacheRecord::Advertisement { ends_ms, .. })) = self.records.remove(id) {
            self.ends.remove(&(ends_ms, *id));
        }
    }

    /// Replaces the file by what still counts; whoever reads sees the old one or the new one, whole.
    fn write(&mut self) -> io::Result<()> {
        let now_ms = now_ms();
        while let Some((_, id)) = self.ends.first().copied().filter(|(ends_ms, _)| *ends_ms <= now_ms) {
            self.remove(&id);
        }
        let sequence = CacheRecord::Sequence(self.sequence);
        let records = self.records.values().map(|(_, record)| record);
        let bytes = cache_records::encode(std::iter::once(&sequence).chain(records));
        let beside = self.path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        self.path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// The name of the file in its directory.
const FILE: &str = "advertisements.cache";
