//! The past: response times of a span by name, of all pairs or of one, as somebody who has a store tells it.
//!
//! In: a span, perhaps a pair. Out: JSON. One question at a time is answered, on a thread where blocking is allowed.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use overlay::PeerId;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::pages;
use super::site::Site;

/// Tells the past of a span by its name; none when there is no such span. It may block.
type Tell = dyn Fn(&str, Option<(PeerId, PeerId)>) -> Option<Result<Value, String>> + Send + Sync;

/// Who tells the past, one question after the other, since each costs as much as the store is large.
#[derive(Clone)]
pub(super) struct History {
    tell: Arc<Tell>,
    turn: Arc<Semaphore>,
}

impl History {
    pub(super) fn new(tell: Arc<Tell>) -> Self {
        Self { tell, turn: Arc::new(Semaphore::new(1)) }
    }
}

/// Over all pairs.
pub(super) async fn of_all(State(site): State<Site>, Path(span): Path<String>) -> Response {
    answer(site, span, None).await
}

/// Of one pair.
pub(super) async fn of_pair(
    State(site): State<Site>,
    Path((span, peer, dest)): Path<(String, String, String)>,
) -> Response {
    match (peer.parse(), dest.parse()) {
        (Ok(peer), Ok(dest)) => answer(site, span, Some((peer, dest))).await,
        _ => failed(StatusCode::BAD_REQUEST, "peer and dest are PeerIds"),
    }
}

async fn answer(site: Site, span: String, pair: Option<(PeerId, PeerId)>) -> Response {
    site.looks().ask();
    let Some(History { tell, turn }) = site.history() else {
        return failed(StatusCode::NOT_FOUND, "there is no store here");
    };
    let Ok(_turn) = turn.acquire().await else {
        return failed(StatusCode::SERVICE_UNAVAILABLE, "the manager ends");
    };
    match tokio::task::spawn_blocking(move || tell(&span, pair)).await {
        Ok(Some(Ok(series))) => pages::json(&series),
        Ok(Some(Err(why))) => failed(StatusCode::INTERNAL_SERVER_ERROR, &format!("failed to {why}")),
        Ok(None) => failed(StatusCode::NOT_FOUND, "there is no such span"),
        Err(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, "the store was not read"),
    }
}

fn failed(status: StatusCode, why: &str) -> Response {
    (status, pages::json(&json!({ "error": why }))).into_response()
}
