//! The other end of the JSON Lines face, for one-shot commands.
//!
//! In: commands as JSON objects. Out: their results; events that come meanwhile are kept for [`Client::event`], the
//! newest `KEPT`.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Lines};
use tokio::time::timeout;

/// Why a command has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The messenger answered with an error.
    #[error("{message}")]
    Refused {
        /// For programs.
        code: String,
        /// For people.
        message: String,
    },
    /// The messenger does not answer.
    #[error("the messenger does not answer")]
    Silent,
    /// The messenger can't be talked to.
    #[error("the messenger can't be talked to: {0}")]
    Io(#[from] io::Error),
}

/// One connection to a messenger.
#[derive(Debug)]
pub struct Client<R, W> {
    lines: Lines<BufReader<R>>,
    writer: W,
    last_id: u64,
    /// The messenger's `ready`.
    ready: Value,
    events: VecDeque<Value>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Client<R, W> {
    /// Greets a messenger.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn connect(reader: R, writer: W) -> Result<Self, Fault> {
        let mut client = Self {
            lines: BufReader::new(reader).lines(),
            writer,
            last_id: 0,
            ready: Value::Null,
            events: VecDeque::new(),
        };
        client.ready = client.event(ANSWER_MAX, |event| field(event, "event") == "ready").await?;
        Ok(client)
    }

    /// The messenger's `ready` event.
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// The result of a command; its id is set here.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn call(&mut self, mut command: Value) -> Result<Value, Fault> {
        self.last_id += 1;
        let id = json!(self.last_id.to_string());
        put(&mut command, "id", id.clone());
        self.writer.write_all(format!("{command}\n").as_bytes()).await?;
        self.writer.flush().await?;
        let reply = self
            .event(ANSWER_MAX, |event| field(event, "event") == "reply" && *field(event, "id") == id)
            .await?;
        if *field(&reply, "ok") == true {
            return Ok(field(&reply, "result").clone());
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Err(Fault::Refused {
            code: text(field(field(&reply, "error"), "code")),
            message: text(field(field(&reply, "error"), "message")),
        })
    }

    /// The next event that `wanted` picks, of those that came and were not picked yet and those that come in time.
    ///
    /// # Errors
    /// [`Fault::Silent`] when none comes in time.
    pub async fn event(&mut self, within: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value, Fault> {
        if let Some(at) = self.events.iter().position(&wanted) {
            return Ok(self.events.remove(at).unwrap_or_default());
        }
        let search = async {
            loop {
                let line = self.lines.next_line().await?.ok_or(Fault::Silent)?;
                let event: Value = serde_json::from_str(&line).map_err(io::Error::from)?;
                if wanted(&event) {
                    return Ok(event);
                }
                if self.events.len() >= KEPT {
                    self.events.pop_front();
                }
                self.events.push_back(event);
            }
        };
        timeout(within, search).await.unwrap_or(Err(Fault::Silent))
    }
}

/// A field of an object; null when there is none.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// Sets a field of an object.
pub(super) fn put(value: &mut Value, name: &str, field: Value) {
    if let Value::Object(fields) = value {
        fields.insert(name.to_owned(), field);
    }
}

/// How long a command may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Events that are kept while something else is waited for: the presence of every buddy fits.
const KEPT: usize = 4_096;
