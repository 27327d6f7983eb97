//! Operations over HTTP, on loopback alone: `/healthz`, `/readyz`, `/metrics`.
//!
//! In: an address and what to measure. Out: text. Bounds: [`HTTP_CONNECTIONS_MAX`] connections at a time, each for at
//! most [`HTTP_CONNECTION_LIFE`]. Requests whose `Host` is no loopback name get
//! 403, so that no web page of somebody else reads them by rebinding its name.

mod exposition;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use mgmt_service::net::BoundedListener;
use mgmt_service::web::{Exposition, is_loopback_name};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::exposition::Measured;
use self::exposition::encode;
use crate::limits::{HTTP_CONNECTION_LIFE, HTTP_CONNECTIONS_MAX};

/// A running HTTP server; dropping it ends it at once.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    ending: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Whether the rendezvous takes peers: what `/readyz` says.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

/// Why HTTP is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Others could reach the address.
    #[error("serve HTTP on {address}: only a loopback address is allowed; use 127.0.0.1:{} and a proxy", .address.port())]
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
    /// Serves on `address`, of which port 0 means any.
    ///
    /// # Errors
    /// [`HttpError`] when the address is not loopback or not free.
    pub async fn bind(
        address: SocketAddr,
        measured: Arc<dyn Measured>,
        readiness: Readiness,
    ) -> Result<Self, HttpError> {
        if !address.ip().is_loopback() {
            return Err(HttpError::NotLoopback { address });
        }
        let bind = |source| HttpError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let (ending, mut ended) = watch::channel(false);
        let serving = axum::serve(
            BoundedListener::new(listener, HTTP_CONNECTIONS_MAX, HTTP_CONNECTION_LIFE),
            router(measured, readiness),
        )
        .with_graceful_shutdown(async move {
            // An error means that the handle is gone, which ends the server as well.
            let _ = ended.wait_for(|ended| *ended).await;
        });
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "operations http server failed");
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

impl Readiness {
    /// From now on ready, or not any more.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Relaxed);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Relaxed)
    }
}

fn router(measured: Arc<dyn Measured>, readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(metrics).with_state(measured))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found; ask /healthz, /readyz or /metrics\n") })
        .layer(from_fn(only_loopback_names))
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, &'static str) {
    if readiness.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: starting or ending\n")
    }
}

async fn metrics(State(measured): State<Arc<dyn Measured>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let exposition = Exposition::accepted_by(accept);
    match encode(exposition, measured) {
        Ok(text) => ([(header::CONTENT_TYPE, exposition.content_type())], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn only_loopback_names(request: Request, next: Next) -> Response {
    match request.headers().get(header::HOST).map(|host| host.to_str()) {
        None => next.run(request).await,
        Some(Ok(host)) if is_loopback_name(host) => next.run(request).await,
        Some(_) => (StatusCode::FORBIDDEN, "the Host header must be localhost or a loopback address\n")
            .into_response(),
    }
}

#[cfg(test)]
mod tests;
