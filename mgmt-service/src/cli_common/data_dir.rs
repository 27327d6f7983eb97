//! The data directory: what a peer keeps between two starts, used by one process at a time.
//!
//! In: a path. Out: a locked directory (mode 0700) with the places of its files, or an error that says who is in the
//! way. The lock ends with the value or the process, whatever ends it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::DataDirError;
use crate::limits::NAME_BYTES_MAX;

/// A data directory that this process alone uses as long as the value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held, never read: its lock is the point.
    _lock: File,
}

impl DataDir {
    /// Where `program` keeps its data when nobody says otherwise: the platform's data directory, as in
    /// `~/.local/share/juxta/im`.
    ///
    /// # Errors
    /// [`DataDirError::NoHome`] when the platform names none, as without a home directory.
    pub fn default_path(program: &str) -> Result<PathBuf, DataDirError> {
        let places = directories::ProjectDirs::from("", "", "juxta").ok_or(DataDirError::NoHome)?;
        Ok(places.data_dir().join(program))
    }

    /// Creates the directory where it is missing and locks it.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] when another process holds it, [`DataDirError::Io`] when it can't be made.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source: io::Error| DataDirError::Io { path: path.to_owned(), source };
        create_private(path).map_err(failed)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK_FILE))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that holds the peer's key (see `overlay::identity::load_or_create`).
    #[must_use]
    pub fn identity_file(&self) -> PathBuf {
        self.path.join(IDENTITY_FILE)
    }

    /// The peer's name: `given` where there is one, which is then kept for later starts, else the kept one.
    ///
    /// # Errors
    /// [`DataDirError::Name`] for an empty, long or unprintable name, [`DataDirError::Io`].
    pub fn name(&self, given: Option<&str>) -> Result<Option<String>, DataDirError> {
        let file = self.path.join(NAME_FILE);
        let failed = |source: io::Error| DataDirError::Io { path: file.clone(), source };
        let kept = match fs::read_to_string(&file) {
            Ok(kept) => Some(kept.trim_end_matches('\n').to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let name = given.map(str::to_owned).or_else(|| kept.clone());
        let Some(name) = name else { return Ok(None) };
        if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(DataDirError::Name { max: NAME_BYTES_MAX });
        }
        if kept.as_deref() != Some(name.as_str()) {
            // A rename puts the whole name in place or none of it.
            let whole = self.path.join(NAME_FILE_NEW);
            fs::write(&whole, format!("{name}\n"))
                .and_then(|()| fs::rename(&whole, &file))
                .map_err(failed)?;
        }
        Ok(Some(name))
    }
}

/// Makes the directory, for its owner alone.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

const LOCK_FILE: &str = "lock";
const IDENTITY_FILE: &str = "identity";
const NAME_FILE: &str = "name";
const NAME_FILE_NEW: &str = "name.new";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_use_is_refused_until_its_holder_ends() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let first = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse { path: named }) if named == path));
        drop(first);
        assert_eq!(DataDir::open(&path).unwrap().path(), path);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_directory_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("new");
        let _open = DataDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_name_is_kept_from_its_first_start_until_another_is_given() {
        let place = tempfile::tempdir().unwrap();
        let open = DataDir::open(place.path()).unwrap();
        assert_eq!(open.name(None).unwrap(), None);
        assert_eq!(open.name(Some("alice")).unwrap().as_deref(), Some("alice"));
        assert_eq!(open.name(None).unwrap().as_deref(), Some("alice"));
        assert_eq!(open.name(Some("bob")).unwrap().as_deref(), Some("bob"));
        assert_eq!(open.name(None).unwrap().as_deref(), Some("bob"));
    }

    #[test]
    fn names_that_would_garble_a_screen_are_refused_and_not_kept() {
        let place = tempfile::tempdir().unwrap();
        let open = DataDir::open(place.path()).unwrap();
        for name in ["", "  ", "a\u{1b}[2J", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(matches!(open.name(Some(name)), Err(DataDirError::Name { .. })), "{name:?}");
        }
        assert_eq!(open.name(None).unwrap(), None);
    }
}
