//! The log of one standing subscription: closed batches in segments, and the records of the open batch in a journal.
//!
//! In: batches as they close, records as they are measured, acknowledgements. Out: batches again, by their numbers, after
//! restarts too. Bounded in bytes, batches and age; what goes for that is the oldest, and is counted. What was written
//! survives a killed process; an entry that is not whole is cut off and never sent. Blocks for short writes to the page
//! cache.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use overlay::PeerId;

use super::entry::{self, Entry};
use super::subscription::Standing;
use crate::arm::ArmRecord;
use crate::limits::{SPOOL_BATCHES_MAX, SPOOL_BYTES_MAX, SPOOL_KEPT, SPOOL_SEGMENT_BYTES};
use crate::protocol::{BatchBuilder, SealedBatch};

/// The batches of one standing subscription on the disk.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    standing: Standing,
    /// Oldest first; the last one grows.
    segments: VecDeque<Segment>,
    /// Records of the open batch.
    journal: File,
    bytes_max: u64,
    /// Records that went because there was no room, and with entries that were not whole.
    lost: u64,
    /// Up to which number everything is committed.
    acknowledged: u64,
    last_seq: u64,
}

/// What a spool had when it was opened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The number of the last closed batch.
    pub last_seq: u64,
    /// Records of the batch that was open.
    pub open: Vec<ArmRecord>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: File,
    bytes: u64,
    batches: VecDeque<Place>,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy)]
struct Place {
    seq: u64,
    records: u64,
    at_ms: u64,
    offset: u64,
    len: u64,
}

impl Spool {
    /// Opens the spool of `standing` below `root`, as `peer` who measures, or makes it. A boot that is kept there replaces
    /// that of `standing`.
    ///
    /// # Errors
    /// When the disk does not take or give what it should.
    pub fn open(root: &Path, mut standing: Standing, peer: PeerId) -> io::Result<(Self, Recovered)> {
        let directory = root.join(standing.directory());
        std::fs::create_dir_all(&directory)?;
        if let Ok(kept) = Standing::read(&directory) {
            standing.boot = kept.boot;
        }
        standing.write(&directory)?;
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(&directory)?.filter_map(|file| Some(file.ok()?.path())).collect();
        names.retain(|path| path.extension().is_some_and(|extension| extension == SEGMENT_EXTENSION));
        // Names are numbers of one width, so that their order is that of the batches.
        names.sort();
        let (mut segments, mut lost) = (VecDeque::new(), 0);
        for path in names {
            let (segment, dropped) = Segment::open(path)?;
            lost = dropped.unwrap_or(lost);
            segments.push_back(segment);
        }
        let last = segments.iter().rev().find_map(|segment| segment.batches.back());
        let last_seq = last.map_or(0, |place| place.seq);
        let (journal, open) = open_journal(&directory.join(JOURNAL), peer, last_seq + 1)?;
        let bytes_max = SPOOL_BYTES_MAX;
        let spool =
            Self { directory, standing, segments, journal, bytes_max, lost, acknowledged: 0, last_seq };
        Ok((spool, Recovered { last_seq, open }))
    }

    /// Bounds the bytes of its segments otherwise than by `SPOOL_BYTES_MAX`.
    #[must_use]
    pub fn with_bytes_max(mut self, bytes_max: u64) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// Whose it is, with its present boot.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Goes on under another boot.
    ///
    /// # Errors
    /// When it can't be kept.
    pub fn reboot(&mut self, boot: u64) -> io::Result<()> {
        self.standing.boot = boot;
        self.standing.write(&self.directory)
    }

    /// Records that are lost, those of earlier runs included.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Counts records that could not even be written.
    pub fn count_lost(&mut self, records: u64) {
        self.lost = self.lost.saturating_add(records);
    }

    /// Writes records of the open batch `seq`, so that they outlive this process; at most as many bytes as a segment has.
    ///
    /// # Errors
    /// When the disk does not take them; they are only in memory then.
    pub fn journal(&mut self, now_ms: u64, seq: u64, records: &[ArmRecord]) -> io::Result<()> {
        if self.journal.stream_position()? >= SPOOL_SEGMENT_BYTES {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut builder = BatchBuilder::default();
        records.iter().for_each(|record| builder.push(record));
        let part = builder.close(self.standing.boot, seq, 0).map_err(io::Error::other)?;
        append(&mut self.journal, &entry::write(&part, now_ms)?)
    }

    /// Writes a closed batch, whose records need their journal no longer, and drops what is beyond the bounds.
    ///
    /// # Errors
    /// When the disk does not take it; then it is not in the spool, and its records are still in the journal.
    pub fn append(&mut self, now_ms: u64, batch: &SealedBatch) -> io::Result<()> {
        let bytes = entry::write(batch, now_ms)?;
        let grown = self.segments.back().is_none_or(|segment| segment.bytes >= SPOOL_SEGMENT_BYTES);
        if grown {
            let path = self.directory.join(format!("{:020}.{SEGMENT_EXTENSION}", batch.seq()));
            self.segments.push_back(Segment::open(path)?.0);
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.append(batch, now_ms, &bytes)?;
        }
        self.last_seq = self.last_seq.max(batch.seq());
        self.journal.set_len(0)?;
        self.journal.seek(SeekFrom::Start(0))?;
        self.keep_bounds(now_ms);
        Ok(())
    }

    /// The first batch after `seq`; none when there is none.
    ///
    /// # Errors
    /// When it can't be read any more.
    pub fn read_after(&mut self, seq: u64) -> io::Result<Option<SealedBatch>> {
        for segment in &mut self.segments {
            let after = segment.batches.partition_point(|place| place.seq <= seq);
            if let Some(place) = segment.batches.get(after).copied() {
                return segment.read(place).map(Some);
            }
        }
        Ok(None)
    }

    /// Every batch up to `seq` is committed: whole segments of them go.
    pub fn acknowledge(&mut self, seq: u64) {
        self.acknowledged = self.acknowledged.max(seq);
        // The last segment stays, since the numbers go on behind it.
        while self.segments.len() > 1
            && self.segments.front().is_some_and(|segment| segment.last_seq() <= self.acknowledged)
        {
            self.drop_oldest();
        }
    }

    /// Bytes of its segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Deletes it.
    pub fn remove(self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            tracing::warn!(%error, "spool not removed");
        }
    }

    fn keep_bounds(&mut self, now_ms: u64) {
        let kept_ms = SPOOL_KEPT.as_millis() as u64;
        loop {
            let batches: usize = self.segments.iter().map(|segment| segment.batches.len()).sum();
            let beyond = self.bytes() > self.bytes_max || batches > SPOOL_BATCHES_MAX;
            let newest = self.segments.front().and_then(|segment| segment.batches.back());
            let old = newest.is_some_and(|place| now_ms.saturating_sub(place.at_ms) > kept_ms);
            if self.segments.len() < 2 || !(beyond || old) {
                return;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        let wanted = segment.batches.iter().filter(|place| place.seq > self.acknowledged);
        self.lost = self.lost.saturating_add(wanted.map(|place| place.records).sum());
        if let Err(error) = std::fs::remove_file(&segment.path) {
            tracing::warn!(%error, "segment of a spool not removed");
        }
    }
}

impl Segment {
    /// Opens or makes a segment, and cuts off what is not whole; what its last batch said of losses.
    fn open(path: PathBuf) -> io::Result<(Self, Option<u64>)> {
        let mut file = open_file(&path)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(SEGMENT_READ_MAX).read_to_end(&mut bytes)?;
        let entries = entry::read(&bytes);
        let dropped = entries.last().map(|entry| entry.batch.dropped());
        let batches: VecDeque<Place> = entries.iter().map(Place::of).collect();
        let bytes = batches.back().map_or(0, |place| place.offset + place.len);
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes))?;
        Ok((Self { path, file, bytes, batches }, dropped))
    }

    fn append(&mut self, batch: &SealedBatch, at_ms: u64, bytes: &[u8]) -> io::Result<()> {
        append(&mut self.file, bytes)?;
        let (seq, records, len) = (batch.seq(), batch.len() as u64, bytes.len() as u64);
        self.batches.push_back(Place { seq, records, at_ms, offset: self.bytes, len });
        self.bytes += len;
        Ok(())
    }

    fn read(&mut self, place: Place) -> io::Result<SealedBatch> {
        let mut bytes = vec![0; usize::try_from(place.len).map_err(io::Error::other)?];
        self.file.seek(SeekFrom::Start(place.offset))?;
        self.file.read_exact(&mut bytes)?;
        self.file.seek(SeekFrom::Start(self.bytes))?;
        let read = entry::read_one(&bytes).map(|(batch, ..)| batch);
        read.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a batch of the spool is damaged"))
    }

    fn last_seq(&self) -> u64 {
        self.batches.back().map_or(0, |place| place.seq)
    }
}

impl Place {
    fn of(entry: &Entry) -> Self {
        let Entry { batch, at_ms, offset, len } = entry;
        let records = batch.len() as u64;
        Self { seq: batch.seq(), records, at_ms: *at_ms, offset: *offset, len: *len }
    }
}

/// Opens the journal, with the records of the batch `seq` that are in it. What belongs to a batch that was closed is not.
fn open_journal(path: &Path, peer: PeerId, seq: u64) -> io::Result<(File, Vec<ArmRecord>)> {
    let mut file = open_file(path)?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(SEGMENT_READ_MAX).read_to_end(&mut bytes)?;
    let entries = entry::read(&bytes);
    let end = entries.last().map_or(0, |entry| entry.offset + entry.len);
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    let open = entries.iter().filter(|entry| entry.batch.seq() == seq);
    let records = open.filter_map(|entry| entry.batch.records(peer).ok()).flatten().collect();
    Ok((file, records))
}

/// Opens or makes a file for its owner alone.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes all of `bytes` at the end or nothing.
fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let end = file.stream_position()?;
    file.write_all(bytes).inspect_err(|_| {
        // What was written of it is no whole entry, and is cut off at the latest when the file is opened again.
        let _ = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
    })
}

const SEGMENT_EXTENSION: &str = "segment";
const JOURNAL: &str = "open";

/// Bytes that are read of a file: a segment with the batch that filled it, or a whole journal.
const SEGMENT_READ_MAX: u64 = 4 * SPOOL_SEGMENT_BYTES;

#[cfg(test)]
mod tests;
