//! Writing answers: to the terminal of this process, or to who has it run a command. When nobody reads them any more the
//! command is done.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use mgmt_service::cli_common::{CliError, ExitCode};
use mgmt_service::limits::{CONTROL_OUT_BYTES_MAX, CONTROL_READER_MAX};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use super::lines::{Said, to_line};

/// Where a command's answers go; clones share it.
#[derive(Debug, Clone)]
pub(super) enum Output {
    /// The program's stdout and stderr.
    Own,
    /// Those of another process.
    Asker(Asker),
}

/// The process that has its command run here.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    connection: Arc<Mutex<OwnedWriteHalf>>,
    terminal: bool,
    runtime: Handle,
    /// Its sender goes when this process ends.
    ending: watch::Receiver<()>,
}

impl Asker {
    /// Needs a runtime with several threads. `terminal`: whether a person looks at its output; `ending`: its sender goes
    /// when this process ends.
    pub(super) fn new(connection: OwnedWriteHalf, terminal: bool, ending: watch::Receiver<()>) -> Self {
        Self { connection: Arc::new(Mutex::new(connection)), terminal, runtime: Handle::current(), ending }
    }

    /// Says something. Waits for who reads slowly, at most [`CONTROL_READER_MAX`].
    ///
    /// # Cancel safety
    /// None: a line may be cut.
    pub(super) async fn say(&self, said: &Said) -> io::Result<()> {
        let line = to_line(said);
        let writing = async { self.connection.lock().await.write_all(&line).await };
        let mut ending = self.ending.clone();
        tokio::select! {
            written = timeout(CONTROL_READER_MAX, writing) => {
                written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            _ = ending.changed() => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// As [`Self::say`], for who writes without waiting, as to a terminal, whose reader may be slow as well.
    fn say_here(&self, said: &Said) -> io::Result<()> {
        tokio::task::block_in_place(|| self.runtime.block_on(self.say(said)))
    }
}

impl Output {
    /// Writes text as it is and flushes.
    pub(super) fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.put(text).map_err(|error| unwritable(&error))
    }

    /// Writes a line and flushes.
    pub(super) fn line(&mut self, line: &str) -> Result<(), CliError> {
        self.text(&format!("{line}\n"))
    }

    /// Writes bytes of UTF-8 and flushes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.text(&String::from_utf8_lossy(bytes))
    }

    /// Writes text as it is and flushes, for who has a sentence of its own when that fails.
    pub(super) fn put(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Own => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }
            Self::Asker(asker) => {
                let mut rest = text;
                while !rest.is_empty() {
                    let (part, later) = rest.split_at(rest.floor_char_boundary(CONTROL_OUT_BYTES_MAX));
                    asker.say_here(&Said::Out(part.to_owned()))?;
                    rest = later;
                }
                Ok(())
            }
        }
    }

    /// Says something besides the answer, on stderr.
    pub(super) fn note(&mut self, text: &str) {
        match self {
            Self::Own => eprintln!("mgmt: {text}"),
            // Who does not read it misses nothing of the answer.
            Self::Asker(asker) => drop(asker.say_here(&Said::Note(text.to_owned()))),
        }
    }

    /// Whether a person looks at it.
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            Self::Own => io::stdout().is_terminal(),
            Self::Asker(asker) => asker.terminal,
        }
    }
}

/// Text of others for people's eyes: nothing in it can move a cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|shown| if shown.is_control() { '\u{fffd}' } else { shown }).collect()
}

/// How a program whose output can't be written ends: done when its reader has gone, failed otherwise.
pub(super) fn unwritable(error: &io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::new(ExitCode::Done, "nobody reads the output"),
        _ => CliError::failed(format_args!("failed to write the output: {error}")),
    }
}
