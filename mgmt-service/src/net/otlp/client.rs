//! One POST to a collector over HTTP/1.1.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::{OTLP_ANSWER_BYTES_MAX, OTLP_TIMEOUT};

/// What a collector made of a push (OTLP 1, "OTLP/HTTP Response").
#[derive(Debug)]
pub(super) enum Answer {
    /// It has it, but for what it says in the answer.
    Taken {
        /// The answer.
        body: Bytes,
    },
    /// It will never take it.
    Refused {
        /// The status of HTTP.
        status: u16,
    },
    /// It may take it later.
    Later {
        /// When, if it said so.
        after: Option<Duration>,
        /// What happened.
        reason: String,
    },
}

/// Posts protobuf to `http://authority/path`, within `OTLP_TIMEOUT`.
pub(super) async fn post(authority: &str, path: &str, body: Bytes) -> Answer {
    match timeout(OTLP_TIMEOUT, send(authority, path, body)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(reason)) => Answer::Later { after: None, reason },
        Err(_) => Answer::Later { after: None, reason: "no answer in time".to_owned() },
    }
}

async fn send(authority: &str, path: &str, body: Bytes) -> Result<Answer, String> {
    let stream = TcpStream::connect(authority).await.map_err(|error| error.to_string())?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let request = Request::post(path)
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, "application/x-protobuf")
        .header(header::USER_AGENT, concat!("juxta-mgmt/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, OTLP_ANSWER_BYTES_MAX).collect().await;
        Ok::<_, String>((head, body.map_err(|error| error.to_string())?.to_bytes()))
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    let (head, body) = tokio::select! {
        answer = &mut exchange => answer?,
        // The connection ends by itself when the answer is read, or breaks before.
        _ = &mut connection => exchange.await?,
    };
    let seconds = head.headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
    Ok(match head.status {
        status if status.is_success() => Answer::Taken { body },
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            Answer::Later { after: seconds.map(Duration::from_secs), reason: head.status.to_string() }
        }
        status => Answer::Refused { status: status.as_u16() },
    })
}
