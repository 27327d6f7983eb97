//! The log of one standing subscription: closed batches in segments, and the records of the open batch in a journal.
//!
//! In: batches as they close, records as they are measured, acknowledgements. Out: batches again, by their numbers, after
//! restarts too. Bounded in bytes, batches and age; what goes for that is the oldest, and is counted. What was written
//! survives a killed process; an entry that is not whole is cut off and never sent. A number that was given and is neither
//! here nor acknowledged is counted as lost. A batch is on the disk, or at least its number, before anybody sends it: no
//! power cut lets a number be given twice. It may cost the end of the journal, which is written to the page cache only:
//! records of the open batch, at most `STANDING_BATCH_AGE_MAX` old while the manager takes them. Blocks until the disk has
//! each closed batch, and for short writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use overlay::PeerId;

use super::entry::{self, Entry};
use super::numbers::{Noted, Numbers};
use super::segment::{SEGMENT_READ_MAX, Segment, append, open_file, sync_directory};
use super::subscription::{Standing, passed};
use crate::arm::ArmRecord;
use crate::limits::{
    BATCHES_IN_FLIGHT_MAX, SPOOL_BATCHES_MAX, SPOOL_BYTES_MAX, SPOOL_KEPT, SPOOL_SEGMENT_BYTES,
};
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
    /// Closed batches that the disk has not taken yet: they go there before any other, and stay in the journal so long.
    waiting: VecDeque<SealedBatch>,
    numbers: Numbers,
    bytes_max: u64,
    /// Records that went because there was no room or with a batch that can't be read; one for each number whose batch
    /// nobody knows.
    lost: u64,
    /// Records that the last batch said were lost elsewhere.
    lost_elsewhere: u64,
    /// Up to which number everything is committed.
    acknowledged: u64,
    last_seq: u64,
}

impl Spool {
    /// Opens the spool of `standing` below `root`, as `peer` who measures, or makes it. The boot and the time that are kept there
    /// replace those of `standing`; what was in the open batch is a closed one.
    ///
    /// # Errors
    /// When the disk does not take or give what it should.
    pub fn open(root: &Path, mut standing: Standing, peer: PeerId) -> io::Result<Self> {
        let directory = root.join(standing.directory());
        std::fs::create_dir_all(&directory)?;
        sync_directory(root)?;
        if let Ok(kept) = Standing::read(&directory) {
            standing.boot = kept.boot;
            // A clock that is behind at this start, as one without a battery is, ages nothing for the starts to come.
            if kept.attached_ms < u64::MAX {
                standing.attached_ms = kept.attached_ms;
            }
        }
        standing.write(&directory)?;
        let (numbers, noted) = Numbers::open(open_file(&directory.join(NUMBERS))?)?;
        let (segments, dropped) = open_segments(&directory)?;
        let last_seq =
            segments.iter().rev().find_map(|segment| segment.batches.back()).map_or(0, |last| last.seq);
        let (journal, (waiting, at_ms)) = open_journal(&directory.join(JOURNAL), &standing, peer, last_seq)?;
        sync_directory(&directory)?;
        let last_seq = waiting.back().map_or(last_seq, SealedBatch::seq).max(noted.last_seq);
        let (bytes_max, lost) = (SPOOL_BYTES_MAX, dropped.max(noted.lost));
        let mut spool = Self {
            directory,
            standing,
            segments,
            journal,
            waiting,
            numbers,
            bytes_max,
            lost,
            lost_elsewhere: 0,
            acknowledged: 0,
            last_seq,
        };
        spool.count_lost(spool.holes().saturating_sub(noted.holes));
        if !spool.waiting.is_empty() && spool.write_waiting(at_ms).is_err() || spool.holes() != noted.holes {
            spool.note()?;
        }
        Ok(spool)
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

    /// Keeps when its manager was there last.
    ///
    /// # Errors
    /// When it can't be kept.
    pub fn attached(&mut self, at_ms: u64) -> io::Result<()> {
        self.standing.attached_ms = at_ms;
        self.standing.write(&self.directory)
    }

    /// Records here that no manager has acknowledged since it was opened.
    #[must_use]
    pub fn unacknowledged_records(&self) -> u64 {
        let places = self.segments.iter().flat_map(|segment| &segment.batches);
        let spooled: u64 =
            places.filter(|place| place.seq > self.acknowledged).map(|place| place.records).sum();
        spooled + self.waiting.iter().map(|batch| batch.len() as u64).sum::<u64>()
    }

    /// The last number that was given.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Records that are lost, those of earlier runs included.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Counts records that are lost to the manager.
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
    /// When the disk does not take it. It waits here in memory then and its records in the journal, unless so many do
    /// already: then its records are counted as lost.
    pub fn append(&mut self, now_ms: u64, batch: &SealedBatch) -> io::Result<()> {
        self.last_seq = self.last_seq.max(batch.seq());
        self.lost_elsewhere = batch.dropped().saturating_sub(self.lost);
        self.waiting.push_back(batch.clone());
        let written = self.write_waiting(now_ms);
        if !self.waiting.is_empty() && (self.waiting.len() > BATCHES_IN_FLIGHT_MAX || self.note().is_err()) {
            let last = self.waiting.pop_back();
            self.count_lost(last.map_or(0, |batch| batch.len() as u64));
            self.note()?;
        }
        written
    }

    /// The first batch after `seq`; none when there is none.
    ///
    /// # Errors
    /// When it can't be read any more: its records are counted as lost, and the next call gives the one behind it.
    pub fn read_after(&mut self, seq: u64) -> io::Result<Option<SealedBatch>> {
        let found = self.segments.iter_mut().find_map(|segment| {
            let index = segment.batches.partition_point(|place| place.seq <= seq);
            segment.batches.get(index).copied().map(|place| (segment, index, place))
        });
        let Some((segment, index, place)) = found else {
            return Ok(self.waiting.iter().find(|batch| batch.seq() > seq).cloned());
        };
        let read = segment.read(place);
        if read.is_err() {
            segment.batches.remove(index);
            self.count_lost(place.records);
            self.note()?;
        }
        read.map(Some)
    }

    /// Every batch up to `seq` is committed: whole segments of them go.
    pub fn acknowledge(&mut self, seq: u64) {
        self.acknowledged = self.acknowledged.max(seq);
        let waited = self.waiting.len();
        self.waiting.retain(|batch| batch.seq() > seq);
        if self.waiting.len() < waited
            && let Err(error) = self.note()
        {
            tracing::warn!(%error, "the next start takes what was acknowledged for lost");
        }
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

    fn write_waiting(&mut self, now_ms: u64) -> io::Result<()> {
        while let Some(batch) = self.waiting.front_mut() {
            batch.relabel(self.standing.boot, self.lost.saturating_add(self.lost_elsewhere));
            let bytes = entry::write(batch, now_ms)?;
            if self.segments.back().is_none_or(|segment| segment.bytes >= SPOOL_SEGMENT_BYTES) {
                let path = self.directory.join(format!("{:020}.{SEGMENT_EXTENSION}", batch.seq()));
                self.segments.push_back(Segment::make(path)?);
            }
            if let Some(segment) = self.segments.back_mut() {
                segment.append(batch, now_ms, &bytes)?;
            }
            self.waiting.pop_front();
        }
        self.journal.set_len(0)?;
        self.journal.seek(SeekFrom::Start(0))?;
        self.keep_bounds(now_ms);
        Ok(())
    }

    /// Numbers behind the first one here that have no batch: each is acknowledged or in `lost`.
    fn holes(&self) -> u64 {
        let first = self.segments.front().map_or(1, |segment| segment.first);
        let batches: usize = self.segments.iter().map(|segment| segment.batches.len()).sum();
        (self.last_seq + 1).saturating_sub(first + (batches + self.waiting.len()) as u64)
    }

    /// Keeps what the segments don't say.
    fn note(&mut self) -> io::Result<()> {
        let lost = self.lost.saturating_add(self.lost_elsewhere);
        self.numbers.write(Noted { last_seq: self.last_seq, lost, holes: self.holes() })
    }

    fn keep_bounds(&mut self, now_ms: u64) {
        loop {
            let batches: usize = self.segments.iter().map(|segment| segment.batches.len()).sum();
            let beyond = self.bytes() > self.bytes_max || batches > SPOOL_BATCHES_MAX;
            let newest = self.segments.front().and_then(|segment| segment.batches.back());
            let old = newest.is_some_and(|place| passed(place.at_ms, now_ms) > SPOOL_KEPT);
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
        // Who is killed in between counts them twice rather than never.
        if let Err(error) = self.note().and_then(|()| std::fs::remove_file(&segment.path)) {
            tracing::warn!(%error, "segment of a spool not removed");
        }
    }
}

/// Opens the segments in `directory`, oldest first; what the last batch said of losses.
fn open_segments(directory: &Path) -> io::Result<(VecDeque<Segment>, u64)> {
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(directory)?.filter_map(|file| Some(file.ok()?.path())).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == SEGMENT_EXTENSION));
    // Names are numbers of one width, so that their order is that of the batches.
    names.sort();
    let (mut segments, mut lost) = (VecDeque::new(), 0);
    for path in names {
        let (segment, dropped) = Segment::open(path)?;
        lost = dropped.unwrap_or(lost);
        segments.push_back(segment);
    }
    Ok((segments, lost))
}

/// Opens the journal, with the batches behind the number `after` whose records are in it, and when the last one was
/// written. What belongs to a batch that is in a segment is left out.
fn open_journal(
    path: &Path,
    standing: &Standing,
    peer: PeerId,
    after: u64,
) -> io::Result<(File, (VecDeque<SealedBatch>, u64))> {
    let mut file = open_file(path)?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(SEGMENT_READ_MAX).read_to_end(&mut bytes)?;
    let entries = entry::read(&bytes);
    let end = entries.last().map_or(0, |entry| entry.offset + entry.len);
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    let at_ms = entries.last().map_or(0, |entry| entry.at_ms);
    let wanted: Vec<Entry> = entries.into_iter().filter(|entry| entry.batch.seq() > after).collect();
    let mut batches = VecDeque::new();
    for parts in wanted.chunk_by(|a, b| a.batch.seq() == b.batch.seq()) {
        let mut builder = BatchBuilder::default();
        for record in parts.iter().filter_map(|part| part.batch.records(peer).ok()).flatten() {
            builder.push(&record);
        }
        let seq = parts.first().map_or(after, |part| part.batch.seq());
        batches.push_back(builder.close(standing.boot, seq, 0).map_err(io::Error::other)?);
    }
    Ok((file, (batches, at_ms)))
}

const SEGMENT_EXTENSION: &str = "segment";
const JOURNAL: &str = "open";
const NUMBERS: &str = "numbers";

#[cfg(test)]
mod tests;
