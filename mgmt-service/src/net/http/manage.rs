//! What the dashboard's page asks to see what can be changed, and to change it: POST alone, JSON in and out.
//!
//! In: `{peer, object, …}`. Out: what came of it, or `{error}` with the status that says why. The bounds are those of
//! `WEB_BODY_BYTES_MAX` and of the requests to agents.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::change::{ChangeError, Changing};
use super::pages;
use super::site::Site;
use super::target::whom;
use crate::jmx::{ObjectName, SetOptions};
use crate::protocol::Described;

/// What is asked of which object of whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// An id or a name; none: the manager's own objects.
    peer: Option<String>,
    object: String,
    attribute: Option<String>,
    value: Option<Value>,
    /// Only if the attribute has this version.
    version: Option<u64>,
    #[serde(default)]
    dry_run: bool,
    operation: Option<String>,
    #[serde(default)]
    arguments: Vec<Value>,
}

/// What can be set and invoked at an object.
pub(super) async fn describe(State(site): State<Site>, body: Bytes) -> Response {
    let (asked, object) = match read(&body) {
        Ok(read) => read,
        Err(refusal) => return refusal,
    };
    let described = match peer_of(&site, &asked) {
        Err(refusal) => return refusal,
        Ok(None) => match site.beans().get(&object) {
            Some(bean) => Ok(Described::of(&*bean)),
            None => return failed(404, "there is no object of that name"),
        },
        Ok(Some(peer)) => {
            Changing { manager: site.manager(), peer: Some(peer), object: &object }.describe(peer).await
        }
    };
    answer(described.map(|described| shown(&described)))
}

/// Sets an attribute, or says what it would change.
pub(super) async fn set(State(site): State<Site>, body: Bytes) -> Response {
    let (asked, object) = match read(&body) {
        Ok(read) => read,
        Err(refusal) => return refusal,
    };
    let peer = match peer_of(&site, &asked) {
        Ok(peer) => peer,
        Err(refusal) => return refusal,
    };
    let (Some(attribute), Some(value)) = (&asked.attribute, &asked.value) else {
        return failed(400, "attribute and value are needed");
    };
    let options = SetOptions { expected: asked.version, dry_run: asked.dry_run };
    let changing = Changing { manager: site.manager(), peer, object: &object };
    let change = changing.set(attribute, value, options).await;
    answer(change.map(|change| {
        json!({ "before": change.before, "after": change.after, "version": change.version, "dry_run": asked.dry_run })
    }))
}

/// Has something done.
pub(super) async fn invoke(State(site): State<Site>, body: Bytes) -> Response {
    let (asked, object) = match read(&body) {
        Ok(read) => read,
        Err(refusal) => return refusal,
    };
    let peer = match peer_of(&site, &asked) {
        Ok(peer) => peer,
        Err(refusal) => return refusal,
    };
    let Some(operation) = &asked.operation else { return failed(400, "operation is needed") };
    let changing = Changing { manager: site.manager(), peer, object: &object };
    answer(changing.invoke(operation, &asked.arguments).await.map(|value| json!({ "value": value })))
}

#[expect(clippy::result_large_err, reason = "a response is made once per request")]
fn read(body: &[u8]) -> Result<(Asked, ObjectName), Response> {
    let asked: Asked = serde_json::from_slice(body).map_err(|error| failed(400, &error.to_string()))?;
    let object = asked.object.parse().map_err(|error| failed(400, &format!("object: {error}")))?;
    Ok((asked, object))
}

#[expect(clippy::result_large_err, reason = "a response is made once per request")]
fn peer_of(site: &Site, asked: &Asked) -> Result<Option<overlay::PeerId>, Response> {
    let peer = asked.peer.as_deref().filter(|peer| !peer.is_empty());
    peer.map(|peer| whom(site, peer)).transpose().map_err(|error| failed(error.status, &error.message))
}

fn answer(result: Result<Value, ChangeError>) -> Response {
    match result {
        Ok(value) => pages::json(&value),
        Err(error) => failed(error.status().0, &format!("failed to {error}")),
    }
}

fn failed(status: u16, why: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, pages::json(&json!({ "error": why }))).into_response()
}

fn shown(described: &Described) -> Value {
    let attributes = described.attributes.iter().map(|attribute| {
        let set =
            attribute.set.as_ref().map(|(values, version)| json!({ "values": values, "version": version }));
        json!({ "name": attribute.name, "description": attribute.description, "set": set })
    });
    let operations = described.operations.iter().map(|operation| {
        let parameters = operation.parameters.iter();
        let parameters: Vec<Value> =
            parameters.map(|(name, values)| json!({ "name": name, "values": values })).collect();
        json!({ "name": operation.name, "description": operation.description, "parameters": parameters })
    });
    json!({
        "description": described.description,
        "attributes": attributes.collect::<Vec<_>>(),
        "operations": operations.collect::<Vec<_>>(),
    })
}
