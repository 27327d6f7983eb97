//! The past, from the store: response times of the last hour, day or week, of all pairs or of one.
//!
//! In: a span by name. Out: `{width_ms, since_ms, until_ms, points: [[at_ms, count, failed, mean, p50, p95, p99], …]}`, times in
//! microseconds. At most 168 points; one question at a time reads the store, on a thread where blocking is allowed.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use overlay::PeerId;
use serde_json::{Value, json};

use super::pages;
use super::site::{History, Site};
use crate::store::{Fineness, Selection, Store, StoreError};

/// Over all pairs.
pub(super) async fn of_all(State(site): State<Site>, Path(span): Path<String>) -> Response {
    answer(site, &span, None).await
}

/// Of one pair.
pub(super) async fn of_pair(
    State(site): State<Site>,
    Path((span, peer, dest)): Path<(String, String, String)>,
) -> Response {
    match (peer.parse(), dest.parse()) {
        (Ok(peer), Ok(dest)) => answer(site, &span, Some((peer, dest))).await,
        _ => failed(StatusCode::BAD_REQUEST, "peer and dest are PeerIds"),
    }
}

async fn answer(site: Site, span: &str, pair: Option<(PeerId, PeerId)>) -> Response {
    let Some(span) = SPANS.iter().find(|(name, ..)| *name == span) else {
        return failed(StatusCode::NOT_FOUND, "the spans are hour, day and week");
    };
    let Some(History { file, turn }) = site.history() else {
        return failed(StatusCode::NOT_FOUND, "there is no store here");
    };
    let Ok(_turn) = turn.acquire().await else {
        return failed(StatusCode::SERVICE_UNAVAILABLE, "the manager ends");
    };
    let read = tokio::task::spawn_blocking(move || series(&file, span, now_ms(), pair)).await;
    match read {
        Ok(Ok(series)) => pages::json(&series),
        Ok(Err(error)) => failed(StatusCode::INTERNAL_SERVER_ERROR, &format!("failed to {error}")),
        Err(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, "the store was not read"),
    }
}

fn series(
    file: &std::path::Path,
    (_, back_ms, width_ms, fineness): &Span,
    now_ms: u64,
    pair: Option<(PeerId, PeerId)>,
) -> Result<Value, StoreError> {
    let (since_ms, until_ms) = (now_ms.saturating_sub(*back_ms), now_ms);
    let selection = Selection { since_ms, until_ms };
    let moments = Store::read(file)?.series(selection, *fineness, *width_ms, pair)?;
    let point = |(at_ms, moment): (&u64, &crate::store::Moment)| {
        let mut row = vec![json!(at_ms)];
        row.extend(moment.to_json().as_array().cloned().unwrap_or_default());
        Value::from(row)
    };
    let points: Vec<Value> = moments.iter().map(point).collect();
    Ok(json!({ "width_ms": width_ms, "since_ms": since_ms, "until_ms": until_ms, "points": points }))
}

fn failed(status: StatusCode, why: &str) -> Response {
    (status, pages::json(&json!({ "error": why }))).into_response()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Its name, how far back, how wide a point is, from which table.
type Span = (&'static str, u64, u64, Fineness);

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const SPANS: [Span; 3] = [
    ("hour", HOUR_MS, MINUTE_MS, Fineness::Minutes),
    ("day", 24 * HOUR_MS, 15 * MINUTE_MS, Fineness::Minutes),
    ("week", 7 * 24 * HOUR_MS, HOUR_MS, Fineness::Hours),
];
