//! The file that holds a peer's Ed25519 key: made once, mode 0600, never logged.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use libp2p::identity::{KeyType, Keypair};

use crate::error::IdentityError;

/// The key in the file at `path`; when there is no file, a new key is made and kept there with mode 0600.
///
/// # Errors
/// [`IdentityError::Exposed`] when group or others may read the file, [`IdentityError::NotAKey`] when it holds
/// something else, [`IdentityError::Io`] for what the system says.
pub fn load_or_create(path: &Path) -> Result<Keypair, IdentityError> {
    let io = |source| IdentityError::Io { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(IdentityError::Exposed { path: path.to_owned(), mode });
            }
            let not_a_key = || IdentityError::NotAKey { path: path.to_owned() };
            let keypair =
                Keypair::from_protobuf_encoding(&fs::read(path).map_err(io)?).map_err(|_| not_a_key())?;
            if keypair.key_type() == KeyType::Ed25519 { Ok(keypair) } else { Err(not_a_key()) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(io(error)),
    }
}

/// Writes a new key beside `path` and renames it into place, so that a crash leaves a whole file or none.
fn create(path: &Path) -> Result<Keypair, IdentityError> {
    let io = |source| IdentityError::Io { path: path.to_owned(), source };
    let keypair = Keypair::generate_ed25519();
    let encoded = keypair
        .to_protobuf_encoding()
        .map_err(|error| io(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io)?;
    }
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(io)?;
    file.write_all(&encoded).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&fresh, path).map_err(io)?;
    Ok(keypair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/identity");
        let first = load_or_create(&path).unwrap();
        let second = load_or_create(&path).unwrap();
        assert_eq!(first.public(), second.public());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load_or_create(&path), Err(IdentityError::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn a_file_without_a_key_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity");
        fs::write(&path, b"not a key").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(load_or_create(&path), Err(IdentityError::NotAKey { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"not a key");
    }
}
