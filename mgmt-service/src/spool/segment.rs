//! A segment of a spool's log: batches one behind another in one file.
//!
//! In: batches, places. Out: places, batches. What is not whole at its end is cut off when it is opened.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::entry::{self, Entry};
use crate::limits::SPOOL_SEGMENT_BYTES;
use crate::protocol::SealedBatch;

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The number of its first batch, as its name says.
    pub(super) first: u64,
    pub(super) file: File,
    pub(super) bytes: u64,
    pub(super) batches: VecDeque<Place>,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) seq: u64,
    pub(super) records: u64,
    pub(super) at_ms: u64,
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Segment {
    /// Makes a segment that outlives a power cut.
    pub(super) fn make(path: PathBuf) -> io::Result<Self> {
        let (segment, _) = Self::open(path)?;
        segment.path.parent().map_or(Ok(()), sync_directory)?;
        Ok(segment)
    }

    /// Opens or makes a segment, and cuts off what is not whole; what its last batch said of losses.
    pub(super) fn open(path: PathBuf) -> io::Result<(Self, Option<u64>)> {
        let mut file = open_file(&path)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(SEGMENT_READ_MAX).read_to_end(&mut bytes)?;
        let entries = entry::read(&bytes);
        let dropped = entries.last().map(|entry| entry.batch.dropped());
        let batches: VecDeque<Place> = entries.iter().map(Place::of).collect();
        let bytes = batches.back().map_or(0, |place| place.offset + place.len);
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes))?;
        let named = path.file_stem().and_then(|name| name.to_str()?.parse().ok());
        let first = named.or_else(|| batches.front().map(|place| place.seq)).unwrap_or(1);
        Ok((Self { path, first, file, bytes, batches }, dropped))
    }

    pub(super) fn append(&mut self, batch: &SealedBatch, at_ms: u64, bytes: &[u8]) -> io::Result<()> {
        let written = append(&mut self.file, bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Whether it is on the disk is not known: it is written again, in its place.
            let _ = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return Err(error);
        }
        let (seq, records, len) = (batch.seq(), batch.len() as u64, bytes.len() as u64);
        self.batches.push_back(Place { seq, records, at_ms, offset: self.bytes, len });
        self.bytes += len;
        Ok(())
    }

    pub(super) fn read(&mut self, place: Place) -> io::Result<SealedBatch> {
        let mut bytes = vec![0; usize::try_from(place.len).map_err(io::Error::other)?];
        self.file.seek(SeekFrom::Start(place.offset))?;
        let whole = self.file.read_exact(&mut bytes);
        // The next batch goes to the end, whatever came of this one.
        self.file.seek(SeekFrom::Start(self.bytes))?;
        whole?;
        let read = entry::read_one(&bytes).map(|(batch, ..)| batch);
        read.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a batch of the spool is damaged"))
    }

    pub(super) fn last_seq(&self) -> u64 {
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

/// Makes sure that what was made in `path` is found there after a power cut.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    // Elsewhere a directory can't be opened, and needs not to.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Opens or makes a file for its owner alone.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes all of `bytes` at the end or nothing.
pub(super) fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let end = file.stream_position()?;
    file.write_all(bytes).inspect_err(|_| {
        // What was written of it is no whole entry, and is cut off at the latest when the file is opened again.
        let _ = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
    })
}

/// Bytes that are read of a file: a segment with the batch that filled it, or a whole journal.
pub(super) const SEGMENT_READ_MAX: u64 = 4 * SPOOL_SEGMENT_BYTES;
