//! The token that lets programs ask a served manager: new at each start, in a file that the user alone may read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use mgmt_service::web::Entry;

/// Makes a token and writes it to `path`, in place of an older one.
pub(super) fn new_token(path: &Path) -> io::Result<Entry> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let entry = Entry::new(random);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(entry.secret().as_bytes())?;
    Ok(entry)
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
}
