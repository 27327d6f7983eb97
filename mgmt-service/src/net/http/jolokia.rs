//! Jolokia requests, answered: by the manager's own objects, or through the overlay by those of a peer.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use overlay::PeerId;
use serde_json::{Value, json};

use super::change::{Change, ChangeError, carry_out};
use super::pages;
use super::site::Site;
use crate::jmx::ObjectNamePattern;
use crate::limits::{GET_PAGE_BEANS_MAX, JOLOKIA_BULK_MAX};
use crate::protocol::{BeanSnapshot, GetRequest};
use crate::web::{JolokiaError, JolokiaRequest, Operation, answer, listing, names, reading, version};

/// `GET /jolokia`: who answers here.
pub(super) async fn root() -> Response {
    pages::json(&answer(now_s(), &json!({ "type": "version" }), Ok(version())))
}

/// A request in a path.
pub(super) async fn get(State(site): State<Site>, Path(path): Path<String>) -> Response {
    pages::json(&match JolokiaRequest::from_path(&path) {
        Ok(request) => answer_one(&site, request).await,
        Err(error) => answer(now_s(), &json!({ "path": path }), Err(error)),
    })
}

/// One request, or an array of them.
pub(super) async fn post(State(site): State<Site>, body: Bytes) -> Response {
    let answer = match serde_json::from_slice(&body) {
        Ok(Value::Array(bulk)) if bulk.len() > JOLOKIA_BULK_MAX => {
            let error = format_args!("more than {JOLOKIA_BULK_MAX} requests at once").to_string();
            answer(now_s(), &Value::Null, Err(JolokiaError::malformed(error)))
        }
        Ok(Value::Array(bulk)) => {
            let mut answers = Vec::with_capacity(bulk.len());
            for request in bulk {
                answers.push(answer_json(&site, &request).await);
            }
            Value::from(answers)
        }
        Ok(request) => answer_json(&site, &request).await,
        Err(error) => answer(now_s(), &Value::Null, Err(JolokiaError::malformed(error))),
    };
    pages::json(&answer)
}

async fn answer_json(site: &Site, request: &Value) -> Value {
    match JolokiaRequest::from_json(request) {
        Ok(request) => answer_one(site, request).await,
        Err(error) => answer(now_s(), request, Err(error)),
    }
}

async fn answer_one(site: &Site, request: JolokiaRequest) -> Value {
    let JolokiaRequest { target, operation, echo } = request;
    let value = match target.map(|target| whom(site, &target)).transpose() {
        Ok(peer) => value_of(site, peer, operation).await,
        Err(error) => Err(error),
    };
    answer(now_s(), &echo, value)
}

async fn value_of(site: &Site, peer: Option<PeerId>, operation: Operation) -> Result<Value, JolokiaError> {
    let refused = |error: ChangeError| JolokiaError::forbidden(error);
    match operation {
        Operation::Version => Ok(version()),
        Operation::List { path } => {
            let beans = beans(site, peer, &ObjectNamePattern::everything(), &[]).await?;
            listing(&beans, &path)
        }
        Operation::Search(wanted) => {
            // An attribute that no object has: names alone are wanted.
            Ok(names(&beans(site, peer, &wanted.pattern, &[String::new()]).await?))
        }
        Operation::Read { wanted, attributes, alone, path } => {
            let beans = beans(site, peer, &wanted.pattern, &attributes).await?;
            reading(&wanted, &beans, &attributes, alone, &path)
        }
        Operation::Write { name, attribute, value } => {
            carry_out(site.manager(), peer, &name, Change::Set { attribute, value }).await.map_err(refused)
        }
        Operation::Exec { name, operation, arguments } => {
            let change = Change::Invoke { operation, arguments };
            carry_out(site.manager(), peer, &name, change).await.map_err(refused)
        }
    }
}

/// The objects at the peer, or here.
async fn beans(
    site: &Site,
    peer: Option<PeerId>,
    pattern: &ObjectNamePattern,
    attributes: &[String],
) -> Result<Vec<BeanSnapshot>, JolokiaError> {
    if let Some(peer) = peer {
        let got = site.manager().get(peer, pattern, attributes).await;
        return got.map_err(|error| JolokiaError::unanswered(format_args!("failed to {error}")));
    }
    let (attributes, limit) = (attributes.to_vec(), GET_PAGE_BEANS_MAX as u32);
    let request = GetRequest { pattern: pattern.clone(), attributes, after: 0, limit };
    Ok(request.answer(site.beans()).beans)
}

fn whom(site: &Site, target: &str) -> Result<PeerId, JolokiaError> {
    if let Ok(peer) = target.parse() {
        return Ok(peer);
    }
    let called = site.board().called(target);
    called.ok_or_else(|| {
        JolokiaError::unanswered(format_args!("there is no agent {target:?}, or more than one"))
    })
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
