//! The face for one-shot commands: a Unix socket (mode 0600) in the data directory that speaks JSON Lines.
//!
//! In: connections of the same user. Out: a face each, at most `FACES_MAX`.

use std::io;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mgmt_service::cli_common::ControlSocket;
use tokio::net::UnixStream;

use super::programs::{AtEnd, run_jsonl};
use crate::limits::FACES_MAX;
use crate::net::{Face, Messenger};

/// The socket's name in the data directory.
pub const SOCKET_FILE: &str = "im.sock";

/// Serves connections until the messenger ends.
pub async fn serve_socket(socket: ControlSocket, messenger: Messenger) {
    let mut faces = FuturesUnordered::new();
    let ended = messenger.ended();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            stream = socket.accept(), if faces.len() < FACES_MAX => match messenger.attach().await {
                Ok(face) => faces.push(serve(face, stream)),
                Err(error) => tracing::debug!(%error, "face not attached"),
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
