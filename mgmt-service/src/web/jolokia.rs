//! The Jolokia protocol 7.2 (JMX over JSON), as its clients speak it: read, list, search, version; write and exec.
//!
//! In: a request as JSON or as the path of a GET, objects as they answer. Out: what is wanted, and answers as JSON. A
//! peer is addressed as in Jolokia's proxy mode: `"target": {"url": "juxta:PEER"}`, PEER an id or an agent's name.

mod request;
mod value;

use serde_json::{Value, json};

pub use self::request::{JolokiaRequest, Operation, Wanted};
pub use self::value::{listing, names, reading};

/// Why a request has no value: Jolokia's status, the name of Java's exception, a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct JolokiaError {
    /// As in HTTP.
    pub status: u16,
    /// The exception that clients know.
    pub kind: &'static str,
    /// What happened.
    pub message: String,
}

impl JolokiaError {
    /// A request that can't be understood (400).
    pub fn malformed(message: impl std::fmt::Display) -> Self {
        Self { status: 400, kind: "java.lang.IllegalArgumentException", message: message.to_string() }
    }

    /// Something that Jolokia has and this agent has not (400).
    #[must_use]
    pub fn unsupported(what: &str) -> Self {
        let message = format!("{what} is not supported");
        Self { status: 400, kind: "java.lang.UnsupportedOperationException", message }
    }

    /// No object of the name (404).
    #[must_use]
    pub fn no_instance(name: &str) -> Self {
        let message = format!("no object matches {name}");
        Self { status: 404, kind: "javax.management.InstanceNotFoundException", message }
    }

    /// No such attribute, or it has no value now (404).
    #[must_use]
    pub fn no_attribute(name: &str) -> Self {
        let message = format!("there is no attribute {name}, or it has no value");
        Self { status: 404, kind: "javax.management.AttributeNotFoundException", message }
    }

    /// Not allowed (403).
    pub fn forbidden(message: impl std::fmt::Display) -> Self {
        Self { status: 403, kind: "java.lang.SecurityException", message: message.to_string() }
    }

    /// The peer did not answer (504).
    pub fn unanswered(message: impl std::fmt::Display) -> Self {
        Self { status: 504, kind: "java.io.IOException", message: message.to_string() }
    }
}

/// What `version` answers.
#[must_use]
pub fn version() -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "agent": version,
        "protocol": "7.2",
        "info": { "product": "juxta", "vendor": "juxta", "version": version },
        "config": { "agentType": "mgmt", "agentDescription": "objects of peers, by target" },
    })
}

/// The answer to the request `echo` at `now_s`, seconds since 1970.
#[must_use]
pub fn answer(now_s: u64, echo: &Value, result: Result<Value, JolokiaError>) -> Value {
    match result {
        Ok(value) => json!({ "request": echo, "value": value, "status": 200, "timestamp": now_s }),
        Err(JolokiaError { status, kind, message }) => json!({
            "request": echo,
            "status": status,
            "error_type": kind,
            "error": format!("{kind} : {message}"),
            "stacktrace": "",
            "timestamp": now_s,
        }),
    }
}

#[cfg(test)]
mod tests;
