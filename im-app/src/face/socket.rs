//! The face for one-shot commands: a Unix socket (mode 0600) in the data directory that speaks JSON Lines.
//!
//! In: connections of the same user. Out: a face each, at most `FACES_MAX`.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::{UnixListener, UnixStream};

use super::programs::{AtEnd, run_jsonl};
use crate::limits::FACES_MAX;
use crate::net::{Face, Messenger};

/// The socket's name in the data directory.
pub const SOCKET_FILE: &str = "im.sock";

/// Binds the socket at `path`. What an earlier process left there is replaced: the caller holds the lock of the
/// directory, so nobody listens on it.
///
/// # Errors
/// What the operating system answers, as for a path above 107 bytes.
pub fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves connections until the messenger ends.
pub async fn serve_socket(listener: UnixListener, messenger: Messenger) {
    let mut faces = FuturesUnordered::new();
    let ended = messenger.ended();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            accepted = listener.accept(), if faces.len() < FACES_MAX => match accepted {
                Ok((stream, _)) => match messenger.attach().await {
                    Ok(face) => faces.push(serve(face, stream)),
                    Err(error) => tracing::debug!(%error, "face not attached"),
                },
                Err(error) => {
                    tracing::warn!(%error, "the socket does not accept any more");
                    break;
                }
            },
            Some(served) = faces.next() => if let Err(error) = served {
                tracing::debug!(%error, "a face left");
            },
            _ = &mut ended => break,
        }
    }
    while faces.next().await.is_some() {}
}

async fn serve(face: Face, stream: UnixStream) -> io::Result<()> {
    let (input, output) = stream.into_split();
    run_jsonl(face, input, output, AtEnd::Leave).await
}
