//! The page, its data, its events, and the metrics.

use std::convert::Infallible;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use futures::Stream;
use overlay::PeerId;

use super::assets::{ENTERED, LOCKED, PAGE};
use super::guard::is_inside;
use super::random_entry;
use super::site::Site;
use crate::web::{Doors, Exposition};

/// The page, for who has a session; a link's token opens one.
pub(super) async fn home(
    State(site): State<Site>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if let Some(link) = query.as_deref().and_then(|query| query.strip_prefix("token=")) {
        let Ok(session) = random_entry() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        if site.doors().exchange(link, &session) {
            let (name, port, value) = (Doors::COOKIE, site.port(), session.secret());
            let cookie = format!("{name}{port}={value}; Path=/; HttpOnly; SameSite=Strict");
            return ([(header::SET_COOKIE, cookie)], Html(ENTERED)).into_response();
        }
    }
    if is_inside(&site, &headers) {
        return Html(PAGE).into_response();
    }
    (StatusCode::UNAUTHORIZED, Html(LOCKED)).into_response()
}

/// A new link, for a further browser. The one before does not count any more.
pub(super) async fn link(State(site): State<Site>, headers: HeaderMap) -> Response {
    let Ok(link) = random_entry() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    site.doors().offer(&link);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    json(&serde_json::json!({ "link": format!("http://{host}/?token={}", link.secret()) }))
}

/// The state as it was told last.
pub(super) async fn state(State(site): State<Site>) -> Response {
    site.looks().ask();
    let state = site.states().borrow().to_string();
    ([(header::CONTENT_TYPE, "application/json")], state).into_response()
}

/// The state each time it is told, until the server ends.
pub(super) async fn events(State(site): State<Site>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut states = site.states();
    // The first is sent at once.
    states.mark_changed();
    let following = (states, site.ended(), site.looks().follow());
    let stream = futures::stream::unfold(following, |(mut states, mut ended, looks)| async move {
        tokio::select! {
            changed = states.changed() => changed.ok()?,
            // An error means that the server is gone.
            _ = ended.wait_for(|ended| *ended) => return None,
        }
        let event = Event::default().event("state").data(&*states.borrow_and_update().clone());
        Some((Ok(event), (states, ended, looks)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// The chart over all pairs.
pub(super) async fn chart_of_all(State(site): State<Site>) -> Response {
    site.looks().ask();
    let chart = site.board().chart(None);
    chart.map_or_else(unknown, |chart| json(&chart))
}

/// The chart of one pair.
pub(super) async fn chart_of_pair(
    State(site): State<Site>,
    Path((peer, dest)): Path<(String, String)>,
) -> Response {
    let (Ok(peer), Ok(dest)) = (peer.parse::<PeerId>(), dest.parse::<PeerId>()) else {
        return (StatusCode::BAD_REQUEST, "peer and dest are PeerIds\n").into_response();
    };
    site.looks().ask();
    let chart = site.board().chart(Some((peer, dest)));
    chart.map_or_else(unknown, |chart| json(&chart))
}

/// The metrics in the format that is wished.
pub(super) async fn metrics(State(site): State<Site>, headers: HeaderMap) -> Response {
    site.looks().ask();
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (exposition, gauges) = (Exposition::accepted_by(accept), site.gauges());
    match site.metrics().encode(exposition, gauges) {
        Ok(text) => ([(header::CONTENT_TYPE, exposition.content_type())], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

pub(super) fn json(value: &serde_json::Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn unknown() -> Response {
    (StatusCode::NOT_FOUND, "nothing is known of this pair\n").into_response()
}
