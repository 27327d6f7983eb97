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
use mgmt_service::net::{HttpError, HttpServer};
use mgmt_service::web::{Exposition, is_loopback_name};

pub use self::exposition::Measured;
use self::exposition::encode;
use crate::limits::{HTTP_CONNECTION_LIFE, HTTP_CONNECTIONS_MAX};

/// Whether the rendezvous takes peers: what `/readyz` says.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

/// Serves on `address`, of which port 0 means any.
///
/// # Errors
/// [`HttpError`] when the address is not loopback or not free.
pub async fn serve(
    address: SocketAddr,
    measured: Arc<dyn Measured>,
    readiness: Readiness,
) -> Result<HttpServer, HttpError> {
    let bounds = (HTTP_CONNECTIONS_MAX, HTTP_CONNECTION_LIFE);
    HttpServer::bind(address, bounds, |_, _| router(measured, readiness)).await
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
