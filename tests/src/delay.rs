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
                tokio::spawn(carry(from_client, to_server, move |_| Some((one_way, Duration::ZERO))));
                tokio::spawn(carry(from_server, to_client, move |_| Some((one_way, Duration::ZERO))));
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

/// Carries bytes one way. `passage` says of a chunk's bytes how long they travel and how long they keep those behind
/// them waiting, or nothing when they are lost. At most 256 chunks of up to 4 KiB are on the way at once: the queue of a
/// router.
pub(crate) async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    passage: impl Fn(usize) -> Option<(Duration, Duration)>,
) {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(256);
    let reading = async move {
        let (mut buffer, mut free) = (vec![0; 4 * 1024], Instant::now());
        while let Ok(len @ 1..) = from.read(&mut buffer).await {
            let Some((one_way, busy)) = passage(len) else { continue };
            free = free.max(Instant::now()) + busy;
            if sender.send((free + one_way, buffer[..len].to_vec())).await.is_err() {
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
