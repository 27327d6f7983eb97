//! Jolokia requests, answered: by the manager's own objects, or through the overlay by those of a peer.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use futures::StreamExt;
use overlay::PeerId;
use serde_json::{Value, json};

use super::change::{ChangeError, Changing};
use super::pages;
use super::site::Site;
use super::target::whom;
use crate::access::Verb;
use crate::jmx::{ObjectName, ObjectNamePattern, SetOptions};
use crate::limits::{GET_PAGE_BEANS_MAX, JOLOKIA_BULK_MAX, LIST_AT_ONCE, LIST_DESCRIBED_MAX};
use crate::protocol::{BeanSnapshot, Described, GetRequest};
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
    match operation {
        Operation::Version => Ok(version()),
        Operation::List { path } => {
            let beans = beans(site, peer, &ObjectNamePattern::everything(), &[]).await?;
            listing(&beans, &described(site, peer, &beans, &path).await, &path)
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
            let change = changing(site, peer, &name).set(&attribute, &value, SetOptions::default()).await;
            change.map(|change| json!(change.before)).map_err(refused)
        }
        Operation::Exec { name, operation, arguments } => {
            // Clients may name the types in parentheses; an operation has one signature alone.
            let operation = operation.split('(').next().unwrap_or_default();
            let done = changing(site, peer, &name).invoke(operation, &arguments).await;
            done.map(|value| json!(value)).map_err(refused)
        }
    }
}

/// What those objects say of themselves that a list would name, as far as they tell this manager: readers are told
/// nothing, records nothing more than they show. The first `LIST_DESCRIBED_MAX`.
async fn described(
    site: &Site,
    peer: Option<PeerId>,
    beans: &[BeanSnapshot],
    path: &[String],
) -> HashMap<ObjectName, Described> {
    // Who sees pseudonyms would ask in vain, and each time be written down for it.
    if peer.is_some() && site.manager().role().is_some_and(|role| !role.may(Verb::SeeIds)) {
        return HashMap::new();
    }
    let mut names = Vec::new();
    for bean in beans {
        let text = bean.name.to_string();
        let (domain, properties) = text.split_once(':').unwrap_or_default();
        let named = [domain, properties].iter().zip(path).all(|(part, wanted)| part == wanted);
        if named && domain.parse::<PeerId>().is_err() && names.len() < LIST_DESCRIBED_MAX {
            names.push(bean.name.clone());
        }
    }
    let Some(peer) = peer else {
        let own = names.into_iter().filter_map(|name| Some((site.beans().get(&name)?, name)));
        return own.map(|(bean, name)| (name, Described::of(&*bean))).collect();
    };
    let asked = names.into_iter().map(|name| async move {
        let described = changing(site, Some(peer), &name).describe(peer).await.ok()?;
        Some((name, described))
    });
    let answers = futures::stream::iter(asked).buffer_unordered(LIST_AT_ONCE);
    answers.filter_map(std::future::ready).collect().await
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

fn changing<'a>(site: &'a Site, peer: Option<PeerId>, object: &'a ObjectName) -> Changing<'a> {
    Changing { manager: site.manager(), peer, object }
}

fn refused(error: ChangeError) -> JolokiaError {
    let (status, kind) = error.status();
    JolokiaError { status, kind, message: format!("failed to {error}") }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
