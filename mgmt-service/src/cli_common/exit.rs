//! How a command ends: an exit code that scripts may rely on and, on failure, one sentence.
//!
//! In: the reason a command failed. Out: the number the process ends with and the sentence for stderr.

use std::fmt;

/// Why a process ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// What was asked for is done.
    Done = 0,
    /// It failed, for a reason that none of the others names.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// A rendezvous, peer or agent could not be reached.
    Unreachable = 3,
    /// Membership, role or policy forbids it.
    Refused = 4,
    /// SIGINT ended it.
    Interrupted = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// A failed command: its exit code and one sentence that says what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    /// What the process ends with.
    pub code: ExitCode,
    /// The sentence, without a line break; control characters of its parts are replaced.
    message: String,
}

impl CliError {
    /// A failure with `code` and a sentence.
    #[must_use]
    pub fn new(code: ExitCode, message: impl fmt::Display) -> Self {
        let message = message.to_string().replace(|character: char| character.is_control(), " ");
        Self { code, message }
    }

    /// Wrong usage (2).
    #[must_use]
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// A failure without a code of its own (1).
    #[must_use]
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Failed, message)
    }

    /// Something could not be reached (3).
    #[must_use]
    pub fn unreachable(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Unreachable, message)
    }

    /// Something was refused (4).
    #[must_use]
    pub fn refused(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Refused, message)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_whatever_it_quotes() {
        let error = CliError::usage("no peer \"a\nb\u{1b}[31m\"; run `mgmt agents`");
        assert_eq!(error.to_string(), "no peer \"a b [31m\"; run `mgmt agents`");
        assert_eq!(error.code as u8, 2);
    }
}
