//! What the segments of a spool can't say: numbers that were given and are not there, and what was lost since.
//!
//! In and out: three numbers in one file, which always has its size, so that a full disk takes them too.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

/// The file, open.
#[derive(Debug)]
pub(super) struct Numbers(File);

/// What is kept in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// The last number that was given.
    pub(super) last_seq: u64,
    /// Records that are lost.
    pub(super) lost: u64,
    /// Numbers without a batch that are counted in `lost` or acknowledged.
    pub(super) holes: u64,
}

impl Numbers {
    /// What is in `file`; a new one is written at once, to have its size.
    pub(super) fn open(mut file: File) -> io::Result<(Self, Noted)> {
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(BYTES as u64).read_to_end(&mut bytes)?;
        let mut numbers = bytes.as_chunks::<8>().0.iter().map(|number| u64::from_le_bytes(*number));
        let mut next = || numbers.next().unwrap_or_default();
        let noted = Noted { last_seq: next(), lost: next(), holes: next() };
        let mut opened = Self(file);
        if bytes.len() < BYTES {
            opened.write(noted)?;
        }
        Ok((opened, noted))
    }

    /// Replaces what is kept.
    pub(super) fn write(&mut self, Noted { last_seq, lost, holes }: Noted) -> io::Result<()> {
        self.0.rewind()?;
        self.0.write_all([last_seq, lost, holes].map(u64::to_le_bytes).as_flattened())?;
        self.0.sync_data()
    }
}

const BYTES: usize = 3 * 8;
