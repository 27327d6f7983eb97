//! What a command and the process that holds its data directory say to each other: JSON, one line each.

use mgmt_service::cli_common::{CliError, ExitCode, Signal};
use mgmt_service::limits::CONTROL_LINE_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The first line of who asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// The command line, without the program's name.
    pub(super) args: Vec<String>,
    /// Whether a person looks at the output.
    pub(super) terminal: bool,
}

/// What who asks may say later.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Told {
    Interrupt,
    Terminate,
}

/// What who asks is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Said {
    /// For stdout, as it is.
    Out(String),
    /// A line for stderr.
    Note(String),
    /// The last line.
    End { code: u8, error: Option<String> },
}

impl From<Signal> for Told {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Interrupt => Self::Interrupt,
            Signal::Terminate => Self::Terminate,
        }
    }
}

impl From<Told> for Signal {
    fn from(told: Told) -> Self {
        match told {
            Told::Interrupt => Self::Interrupt,
            Told::Terminate => Self::Terminate,
        }
    }
}

impl Said {
    /// How a command has ended.
    pub(super) fn end(done: &Result<ExitCode, CliError>) -> Self {
        match done {
            Ok(code) => Self::End { code: *code as u8, error: None },
            Err(error) => Self::End { code: error.code as u8, error: Some(error.to_string()) },
        }
    }
}

/// How a command ended there, for this process.
pub(super) fn ended(code: u8, error: Option<String>) -> Result<ExitCode, CliError> {
    let code = CODES.into_iter().find(|known| *known as u8 == code).unwrap_or(ExitCode::Failed);
    match error {
        Some(error) => Err(CliError::new(code, error)),
        None => Ok(code),
    }
}

/// Something as a line. What is said here always has one.
pub(super) fn to_line(said: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(said).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The next line; `None` at the end, and for what is longer than [`CONTROL_LINE_BYTES_MAX`] or is no such thing.
pub(super) async fn next<T: DeserializeOwned>(lines: &mut (impl AsyncBufRead + Unpin)) -> Option<T> {
    let mut line = Vec::new();
    lines.take(CONTROL_LINE_BYTES_MAX).read_until(b'\n', &mut line).await.ok()?;
    serde_json::from_slice(line.strip_suffix(b"\n")?).ok()
}

const CODES: [ExitCode; 6] = [
    ExitCode::Done,
    ExitCode::Failed,
    ExitCode::Usage,
    ExitCode::Unreachable,
    ExitCode::Refused,
    ExitCode::Interrupted,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_or_cut_or_nonsense_is_none() {
        let line = to_line(&Said::Out("ä\n".into()));
        assert!(matches!(next(&mut line.as_slice()).await, Some(Said::Out(text)) if text == "ä\n"));
        let long = to_line(&Said::Out("x".repeat(CONTROL_LINE_BYTES_MAX as usize)));
        for bad in [&line[..line.len() - 1], b"nonsense\n", b"", long.as_slice()] {
            assert!(next::<Said>(&mut &*bad).await.is_none());
        }
    }

    #[test]
    fn every_end_arrives_as_it_was() {
        for code in CODES {
            let Said::End { code: number, error } = Said::end(&Err(CliError::new(code, "why"))) else {
                panic!("an end")
            };
            assert_eq!(ended(number, error), Err(CliError::new(code, "why")));
            assert_eq!(ended(code as u8, None), Ok(code));
        }
    }
}
