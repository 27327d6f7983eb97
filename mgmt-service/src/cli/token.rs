//! Secrets of a served manager, in files that the user alone may read: the token of programs, new at each start, and
//! the key of pseudonyms, which stays.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use mgmt_service::web::Entry;

/// Makes a token and writes it to `path`, in place of an older one.
pub(super) fn new_token(path: &Path) -> io::Result<Entry> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let entry = Entry::new(random);
    write_private(path, entry.secret().as_bytes())?;
    Ok(entry)
}

/// The key of pseudonyms in `path`; a new one when there is none, so that a peer keeps its pseudonym over restarts.
pub(super) fn pseudonym_key(path: &Path) -> io::Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| io::Error::other("it has not 32 bytes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(io::Error::other)?;
            write_private(path, &key)?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn each_start_has_a_new_token_that_the_user_alone_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "old").unwrap();
        let first = new_token(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first.secret());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(new_token(&path).unwrap(), first);
    }

    #[test]
    fn the_key_of_pseudonyms_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert_eq!(pseudonym_key(&path).unwrap(), pseudonym_key(&path).unwrap());
        fs::write(&path, "short").unwrap();
        assert!(pseudonym_key(&path).is_err());
    }
}
