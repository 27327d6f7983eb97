//! The list of banned peers in the data directory, one peer id a line, so that a ban outlives a restart.
//!
//! In: a file, one more peer. Out: the peers. Bounds: [`BANNED_MAX`] peers; a further one is refused. Lines that are
//! empty or start with `#` are the operator's own and stay.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use overlay::PeerId;

use crate::limits::BANNED_MAX;

/// The banned peers and their file. Only the process that holds the data directory writes it.
#[derive(Debug)]
pub struct BanList {
    file: PathBuf,
    text: String,
    peers: HashSet<PeerId>,
}

/// Why a list of bans can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BanListError {
    /// The file can't be read or written.
    #[error("use the list of bans {file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is no peer id.
    #[error("use the list of bans {file}: line {line} is no peer id; correct or remove it")]
    NotAPeer {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// There are as many bans as there may be.
    #[error("use the list of bans {file}: it holds {BANNED_MAX} peers already; remove some")]
    Full {
        /// The file.
        file: PathBuf,
    },
}

impl BanList {
    /// Reads the list in `data_dir`; one that does not exist is empty.
    ///
    /// # Errors
    /// [`BanListError`]; a list that can't be understood is never taken for an empty one.
    pub fn load(data_dir: &Path) -> Result<Self, BanListError> {
        let file = data_dir.join(FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(BanListError::Io { file, source }),
        };
        let mut peers = HashSet::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Ok(peer) = line.parse() else { return Err(BanListError::NotAPeer { file, line: index + 1 }) };
            peers.insert(peer);
        }
        if peers.len() > BANNED_MAX {
            return Err(BanListError::Full { file });
        }
        Ok(Self { file, text, peers })
    }

    /// The banned peers.
    pub fn peers(&self) -> impl Iterator<Item = &PeerId> {
        self.peers.iter()
    }

    /// Adds `peer` to the list and to its file. Returns whether it was not there.
    ///
    /// # Errors
    /// [`BanListError`]; then the file is as it was.
    pub fn add(&mut self, peer: PeerId) -> Result<bool, BanListError> {
        if self.peers.contains(&peer) {
            return Ok(false);
        }
        if self.peers.len() >= BANNED_MAX {
            return Err(BanListError::Full { file: self.file.clone() });
        }
        let end = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
        let text = format!("{}{end}{peer}\n", self.text);
        replace(&self.file, &text).map_err(|source| BanListError::Io { file: self.file.clone(), source })?;
        self.text = text;
        self.peers.insert(peer);
        Ok(true)
    }
}

/// Puts the whole text in place or none of it, and on the disk before it says so.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let whole = file.with_extension("new");
    let mut writing = File::create(&whole)?;
    writing.write_all(text.as_bytes())?;
    writing.sync_all()?;
    fs::rename(&whole, file)
}

const FILE: &str = "banned.txt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ban_outlives_its_process_and_comments_stay() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(FILE), "# spammers\n\n").unwrap();
        let (first, second) = (PeerId::random(), PeerId::random());
        let mut bans = BanList::load(place.path()).unwrap();
        assert!(bans.add(first).unwrap() && bans.add(second).unwrap());
        assert!(!bans.add(first).unwrap(), "a ban said twice is one ban");
        let again = BanList::load(place.path()).unwrap();
        assert_eq!(again.peers().collect::<HashSet<_>>(), HashSet::from([&first, &second]));
        assert_eq!(again.text, format!("# spammers\n\n{first}\n{second}\n"));
    }

    #[test]
    fn list_that_cannot_be_understood_is_an_error_with_its_line() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(FILE), "# who\nsomebody\n").unwrap();
        assert!(matches!(BanList::load(place.path()), Err(BanListError::NotAPeer { line: 2, .. })));
    }

    #[test]
    fn absent_list_is_empty() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(BanList::load(place.path()).unwrap().peers().count(), 0);
    }
}
