//! The control socket: how a command reaches the process that holds its data directory.
//!
//! In: a path in a data directory whose lock is held. Out: connections of the same user. The socket has mode 0600, and since
//! that is set a moment after the bind, both ends ask the system who the other one is. Bounds are those of who serves.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

/// A listening control socket; dropping it removes the socket.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    listener: UnixListener,
    removed: AtomicBool,
}

impl ControlSocket {
    /// Listens at `path`. What an earlier process left there is replaced: the caller holds the lock of the directory, so
    /// nobody listens on it.
    ///
    /// # Errors
    /// What the operating system answers, as [`io::ErrorKind::InvalidInput`] for a path of more than about 100 bytes.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        let socket = Self { path: path.to_owned(), listener, removed: AtomicBool::new(false) };
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(socket)
    }

    /// Removes the socket now, if it is still this one: for who shares it with a task that ends a moment later.
    pub fn remove(&self) {
        if !self.removed.swap(true, Ordering::Relaxed) {
            // Left behind, it would only be replaced by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// The next connection of this user or of root; those of others are closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn accept(&self) -> UnixStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => match users(&stream) {
                    Ok((theirs, own)) if theirs == own || theirs == ROOT => return stream,
                    Ok((theirs, _)) => tracing::warn!(user = theirs, "control connection refused"),
                    Err(error) => tracing::debug!(%error, "control connection left"),
                },
                // The process lacks descriptors; the next one to be closed lets this go on.
                Err(error) => {
                    tracing::warn!(%error, "control connection not accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A connection to the process that listens at `path`.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] or [`io::ErrorKind::ConnectionRefused`] when none does, as after SIGKILL, and
/// [`io::ErrorKind::PermissionDenied`] when it is another user's.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path).await?;
    let (theirs, own) = users(&stream)?;
    if theirs == own || theirs == ROOT || own == ROOT {
        Ok(stream)
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user listens there"))
    }
}

/// The user at the other end, and this process's own.
fn users(stream: &UnixStream) -> io::Result<(u32, u32)> {
    let (own, _) = UnixStream::pair()?;
    Ok((stream.peer_cred()?.uid(), own.peer_cred()?.uid()))
}

const ROOT: u32 = 0;

/// How long to wait after a connection could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_for_its_owner_alone_and_goes_with_its_process() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s");
        // What a killed process leaves behind.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert_eq!(connect(&path).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let socket = ControlSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (asked, _) = tokio::join!(connect(&path), socket.accept());
        assert!(asked.is_ok());
        drop(socket);
        assert_eq!(connect(&path).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_for_a_socket_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x".repeat(120));
        assert_eq!(ControlSocket::bind(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
