//! A TCP link with delay on loopback: a proxy that holds each chunk for a time, in order, each way.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A running link. Ends on drop.
#[derive(Debug)]
pub struct DelayedLink {
    /// Where to connect instead of the far end.
    pub near: SocketAddr,
    task: JoinHandle<()>,
}

impl DelayedLink {
    /// A link to `far` that takes `one_way` each way.
    ///
    /// # Panics
    /// When the system has no port left.
    pub async fn spawn(far: SocketAddr, one_way: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(far).await else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(carry(from_client, to_server, move || Some(one_way)));
                tokio::spawn(carry(from_server, to_client, move || Some(one_way)));
            }
        });
        Self { near, task }
    }
}

impl Drop for DelayedLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries bytes one way, each chunk for the time that `one_way` says, or to nowhere when it says none; at most 256
/// chunks are on the way at once.
pub(crate) async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    one_way: impl Fn() -> Option<Duration>,
) {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(256);
    let reading = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(len @ 1..) = from.read(&mut buffer).await {
            let Some(one_way) = one_way() else { continue };
            if sender.send((Instant::now() + one_way, buffer[..len].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let writing = async move {
        while let Some((due, chunk)) = chunks.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&chunk).await.is_err() {
                break;
            }
        }
        // An end is passed on too; a link that is broken already has nobody to be told.
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}
