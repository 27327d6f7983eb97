//! The manager's web face, on loopback alone: dashboard, its data, `/metrics`, Jolokia.
//!
//! In: an address, a board that somebody fills, a manager that answers. Out: pages and JSON. Bounds:
//! `WEB_CONNECTIONS_MAX` connections, each for at most `WEB_CONNECTION_LIFE`; bodies of `WEB_BODY_BYTES_MAX`. What is
//! open to whom stands in `guard`; nothing is changed by a GET but the link that counts once.

mod assets;
mod change;
mod guard;
mod history;
mod jolokia;
mod listener;
mod looks;
mod manage;
mod pages;
mod server;
mod site;
mod target;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

pub use self::looks::Looks;
pub use self::server::{HttpError, HttpServer};
pub use self::site::Site;
use crate::limits::{WEB_BODY_BYTES_MAX, WEB_CONNECTION_LIFE, WEB_CONNECTIONS_MAX};
use crate::web::Entry;

/// A running web face; dropping it ends it at once.
#[derive(Debug)]
pub struct WebServer {
    server: HttpServer,
    link: String,
}

/// Why the web face is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// HTTP is not served at all.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Without random numbers there are no secrets.
    #[error("make a secret link: the operating system gives no random numbers")]
    NoRandomness,
}

impl WebServer {
    /// Serves `site` on `address`, of which port 0 means any; needs a tokio runtime.
    ///
    /// # Errors
    /// [`ServeError`] when the address is not loopback or not free.
    pub async fn bind(address: SocketAddr, site: Site) -> Result<Self, ServeError> {
        let link = random_entry()?;
        site.doors().offer(&link);
        let bounds = (WEB_CONNECTIONS_MAX, WEB_CONNECTION_LIFE);
        let routes = |address, ended| router(site.at(address, ended));
        let server = HttpServer::bind(address, bounds, routes).await?;
        Ok(Self { link: format!("http://{}/?token={}", server.address(), link.secret()), server })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The link that lets one browser in, once.
    #[must_use]
    pub fn link(&self) -> &str {
        &self.link
    }

    /// Takes no more connections, ends event streams and waits for the requests under way.
    ///
    /// # Cancel safety
    /// Safe: dropped before its end, it ends the server at once.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

fn router(site: Site) -> Router {
    let inside = Router::new()
        .route("/api/state", get(pages::state))
        .route("/api/events", get(pages::events))
        .route("/api/chart", get(pages::chart_of_all))
        .route("/api/chart/{peer}/{dest}", get(pages::chart_of_pair))
        .route("/api/history/{span}", get(history::of_all))
        .route("/api/history/{span}/{peer}/{dest}", get(history::of_pair))
        .route("/api/link", post(pages::link))
        .route("/api/describe", post(manage::describe))
        .route("/api/set", post(manage::set))
        .route("/api/invoke", post(manage::invoke))
        .route("/jolokia", get(jolokia::root).post(jolokia::post))
        .route("/jolokia/", get(jolokia::root).post(jolokia::post))
        .route("/jolokia/{*path}", get(jolokia::get).post(jolokia::post))
        .layer(from_fn_with_state(site.clone(), guard::only_who_may));
    Router::new()
        .route("/", get(pages::home))
        .route("/assets/{name}", get(assets::asset))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(pages::metrics))
        .merge(inside)
        .fallback(|| async { (axum::http::StatusCode::NOT_FOUND, "not found\n") })
        .layer(DefaultBodyLimit::max(WEB_BODY_BYTES_MAX))
        .layer(from_fn(guard::everywhere))
        .with_state(site)
}

/// A new secret.
fn random_entry() -> Result<Entry, ServeError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| ServeError::NoRandomness)?;
    Ok(Entry::new(random))
}
