//! An HTTP server on loopback alone, which ends with its handle.
//!
//! In: an address, routes. Out: its real address. Bounds: so many connections at a time, each for at most its life.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::listener::BoundedListener;

/// A running HTTP server; dropping it ends it at once.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    ending: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Why HTTP is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Others could reach the address.
    #[error("serve HTTP on {address}: only a loopback address is allowed; use 127.0.0.1:{}", .address.port())]
    NotLoopback {
        /// The address that was given.
        address: SocketAddr,
    },
    /// The address can't be had.
    #[error("serve HTTP on {address}: {source}")]
    Bind {
        /// The address that was given.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl HttpServer {
    /// Serves on `address`, of which port 0 means any, at most `connections_max` connections at a time, each for at most
    /// `life`. The routes are made of the real address and of what turns true when the server ends. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`HttpError`] when the address is not loopback or not free.
    pub async fn bind(
        address: SocketAddr,
        (connections_max, life): (usize, Duration),
        routes: impl FnOnce(SocketAddr, watch::Receiver<bool>) -> Router,
    ) -> Result<Self, HttpError> {
        if !address.ip().is_loopback() {
            return Err(HttpError::NotLoopback { address });
        }
        let bind = |source| HttpError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let (ending, mut ended) = watch::channel(false);
        let routes = routes(address, ended.clone());
        let bounded = BoundedListener::new(listener, connections_max, life);
        let serving = axum::serve(bounded, routes).with_graceful_shutdown(async move {
            // An error means that the handle is gone, which ends the server as well.
            let _ = ended.wait_for(|ended| *ended).await;
        });
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "http server failed");
            }
        });
        Ok(Self { address, ending, task })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections and waits for the requests under way.
    ///
    /// # Cancel safety
    /// Safe: dropped before its end, it ends the server at once.
    pub async fn shutdown(mut self) {
        self.ending.send_replace(true);
        // The task logs its own failure; a panic in it ended it just as well.
        let _ = (&mut self.task).await;
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
