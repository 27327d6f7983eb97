//! A TCP link on loopback that fails when it is told to: it delays, loses what is on the way, resets, refuses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::delay::carry;

/// A running link. Ends on drop, and what goes through it with it.
#[derive(Debug)]
pub struct FaultyLink {
    /// Where to connect instead of the far end.
    pub near: SocketAddr,
    state: Arc<watch::Sender<State>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    one_way: Duration,
    /// Time that a byte keeps the next waiting.
    per_byte: Duration,
    loses: bool,
    refuses: bool,
    /// How long a new connection carries nothing.
    held: Duration,
    /// How often all connections were reset, and how often closed as if both ends had done it.
    resets: u64,
    closes: u64,
    /// Connections that are up, and that ever were.
    connections: usize,
    opened: u64,
}

impl FaultyLink {
    /// A link to `far` without faults.
    ///
    /// # Panics
    /// When the system has no port left.
    pub async fn spawn(far: SocketAddr) -> Self {
        Self::spawn_at(([127, 0, 0, 1], 0).into(), far, Duration::ZERO).await
    }

    /// As [`FaultyLink::spawn`], at an address whose listener is gone, holding each connection as [`FaultyLink::hold`].
    ///
    /// # Panics
    /// When somebody listens there.
    pub async fn spawn_at(near: SocketAddr, far: SocketAddr, held: Duration) -> Self {
        let listener = TcpListener::bind(near).await.unwrap();
        let near = listener.local_addr().unwrap();
        let state = Arc::new(watch::Sender::new(State { held, ..State::default() }));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.borrow().refuses {
                    // The client's next read or write fails.
                    let _ = client.set_zero_linger();
                    continue;
                }
                let Ok(server) = TcpStream::connect(far).await else { continue };
                tokio::spawn(connection(client, server, shared.clone()));
            }
        });
        Self { near, state, task }
    }

    /// Bytes that come from now on take this time each way.
    pub fn delay(&self, one_way: Duration) {
        self.state.send_modify(|state| state.one_way = one_way);
    }

    /// At most so many bytes a second pass each way.
    pub fn narrow(&self, bytes_per_s: u32) {
        self.state.send_modify(|state| state.per_byte = Duration::from_secs(1) / bytes_per_s);
    }

    /// Whether bytes that come from now on are lost. A stream with a hole is broken, so a cut must follow.
    pub fn lose(&self, loses: bool) {
        self.state.send_modify(|state| state.loses = loses);
    }

    /// Whether new connections are reset at once.
    pub fn refuse(&self, refuses: bool) {
        self.state.send_modify(|state| state.refuses = refuses);
    }

    /// New connections carry nothing for so long; those that are up are as fast as ever.
    pub fn hold(&self, held: Duration) {
        self.state.send_modify(|state| state.held = held);
    }

    /// Resets all connections; what is on the way is lost.
    pub fn reset(&self) {
        self.state.send_modify(|state| state.resets += 1);
    }

    /// Closes all connections without a reset; what is on the way is lost.
    pub fn close(&self) {
        self.state.send_modify(|state| state.closes += 1);
    }

    /// As [`FaultyLink::reset`]; waits until somebody has connected again.
    ///
    /// # Panics
    /// When the link has ended.
    pub async fn reset_and_reconnected(&self) {
        let before = self.state.borrow().opened;
        self.reset();
        self.state.subscribe().wait_for(|state| state.opened > before).await.unwrap();
    }

    /// Waits until a connection is up.
    ///
    /// # Panics
    /// When the link has ended.
    pub async fn connected(&self) {
        self.state.subscribe().wait_for(|state| state.connections > 0).await.unwrap();
    }
}

impl Drop for FaultyLink {
    fn drop(&mut self) {
        self.task.abort();
        self.reset();
    }
}

/// An address where somebody accepts and says nothing, until it is dropped; then all that wait there are hung up on.
#[derive(Debug)]
pub struct SilentPort {
    /// Where that is.
    pub at: SocketAddr,
    task: JoinHandle<()>,
}

impl SilentPort {
    /// Takes an address whose listener is gone; port 0 means any.
    ///
    /// # Panics
    /// When somebody listens there.
    pub async fn spawn(at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let at = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut waiting = Vec::new();
            while let Ok((client, _)) = listener.accept().await {
                waiting.push(client);
            }
        });
        Self { at, task }
    }
}

impl Drop for SilentPort {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries bytes both ways until an end closes or the link is cut.
async fn connection(mut client: TcpStream, mut server: TcpStream, state: Arc<watch::Sender<State>>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut changes = state.subscribe();
    let before = *changes.borrow();
    tokio::time::sleep(before.held).await;
    state.send_modify(|state| (state.connections, state.opened) = (state.connections + 1, state.opened + 1));
    let passage = |len: usize| {
        let state = state.borrow();
        (!state.loses).then(|| (state.one_way, state.per_byte * len as u32))
    };
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let cut = changes.wait_for(|now| now.resets > before.resets || now.closes > before.closes);
    let reset = tokio::select! {
        _ = futures::future::join(
            carry(from_client, to_server, passage),
            carry(from_server, to_client, passage),
        ) => false,
        cut = cut => cut.is_ok_and(|now| now.resets > before.resets),
    };
    if reset {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
    state.send_modify(|state| state.connections -= 1);
}
