//! Writing answers to stdout. When nobody reads them any more the program is done.

use std::io::{self, Write};

use mgmt_service::cli_common::{CliError, ExitCode};

/// The program's stdout.
#[derive(Debug)]
pub(super) struct Output {
    out: io::Stdout,
}

impl Output {
    pub(super) fn stdout() -> Self {
        Self { out: io::stdout() }
    }

    /// Writes text as it is and flushes.
    pub(super) fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.bytes(text.as_bytes())
    }

    /// Writes a line and flushes.
    pub(super) fn line(&mut self, line: &str) -> Result<(), CliError> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// Writes bytes and flushes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(|error| unwritable(&error))
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
