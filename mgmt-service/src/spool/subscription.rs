//! Whose spool it is: the standing subscription, as it is found again after a restart.
//!
//! In: a directory. Out: the subscription that is kept in it. Replaced as a whole, so that a crash leaves the old or the
//! new one.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use overlay::PeerId;
use overlay::wire::{Ext, decode_message, encode_message};

use super::segment::sync_directory;
use crate::jmx::ObjectNamePattern;
use crate::limits::{CLOCK_SET_FROM_MS, OBJECT_NAME_BYTES_MAX};

/// A standing subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whose it is.
    pub manager: PeerId,
    /// The number that the manager has chosen.
    pub subscription: u64,
    /// Names of the records that are wanted.
    pub pattern: ObjectNamePattern,
    /// Under which its batches are numbered.
    pub boot: u64,
    /// When its manager was there last, in milliseconds since 1970.
    pub attached_ms: u64,
}

impl Standing {
    /// The name of its directory: the same for the same subscription.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("{}-{:016x}", self.manager, self.subscription)
    }

    /// For how long its manager is away at `now_ms`, in milliseconds since 1970; no time when the clock was not set or has
    /// gone back since.
    #[must_use]
    pub fn away(&self, now_ms: u64) -> Duration {
        passed(self.attached_ms, now_ms)
    }

    /// What is kept in `directory`; one that does not say when its manager was there says [`u64::MAX`].
    ///
    /// # Errors
    /// When it can't be read or is none.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(directory.join(FILE))?;
        let (manager, subscription, pattern, boot, ext): (Vec<u8>, u64, String, u64, Ext) =
            decode_message(VERSION, &bytes, BYTES_MAX).map_err(io::Error::other)?;
        let manager = PeerId::from_bytes(&manager).map_err(io::Error::other)?;
        let pattern = pattern.parse().map_err(io::Error::other)?;
        let attached = ext.iter().find(|(field, _)| *field == ATTACHED);
        let attached_ms =
            attached.and_then(|(_, bytes)| bytes.as_ref().try_into().ok()).map(u64::from_le_bytes);
        // A file of an earlier version: its manager may have been there just now.
        let attached_ms = attached_ms.unwrap_or(u64::MAX);
        Ok(Self { manager, subscription, pattern, boot, attached_ms })
    }

    /// Keeps it in `directory`.
    ///
    /// # Errors
    /// When it can't be written; then the old one is still there.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let ext: Ext = vec![(ATTACHED, self.attached_ms.to_le_bytes().to_vec().into())];
        let body = (self.manager.to_bytes(), self.subscription, self.pattern.to_string(), self.boot, ext);
        let bytes = encode_message(VERSION, &body, BYTES_MAX).map_err(io::Error::other)?;
        let new = directory.join(NEW_FILE);
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(new, directory.join(FILE))?;
        sync_directory(directory)
    }
}

/// What passed from `since_ms` to `now_ms`; nothing when the clock was not set then, or has gone back since.
pub(super) fn passed(since_ms: u64, now_ms: u64) -> Duration {
    if since_ms < CLOCK_SET_FROM_MS {
        return Duration::ZERO;
    }
    Duration::from_millis(now_ms.saturating_sub(since_ms))
}

/// The version of the file.
const VERSION: u8 = 1;

/// Bytes of the file: a pattern, an id and some numbers.
const BYTES_MAX: usize = OBJECT_NAME_BYTES_MAX + 128;

/// The field of `attached_ms`.
const ATTACHED: u16 = 1;

const FILE: &str = "subscription";
const NEW_FILE: &str = "subscription.new";
