//! The home directory of a new user: empty at first, gone in the end.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// An empty home directory, removed on drop.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// A new, empty home directory.
    ///
    /// # Panics
    /// When the system has no room for temporary files.
    #[must_use]
    pub fn new() -> Self {
        // A short path: the programs put a Unix socket below it, whose path has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("juxta").tempdir().expect("a temporary directory");
        Self { folder }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path below it, e.g. the data directory of one peer; not created.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}
