//! The wish of a user or a supervisor that the process ends.
//!
//! In: SIGINT, SIGTERM, or what another process relays of its own. Out: one [`Signal`] for each. The end that follows is bounded by [`within_polite_end`].

use std::future::Future;
use std::io;

use super::exit::ExitCode;
use crate::limits::POLITE_END_MAX;

/// Which signal asked the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: a supervisor stops the service.
    Terminate,
}

impl Signal {
    /// With which code a process that this signal ended politely exits: interrupted for SIGINT, done for SIGTERM.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Interrupt => ExitCode::Interrupted,
            Self::Terminate => ExitCode::Done,
        }
    }
}

/// Receives SIGINT and SIGTERM from its construction on; the default action (sudden death) is off from then. Or receives
/// those of the process for which a command is run.
#[cfg(unix)]
#[derive(Debug)]
pub struct Signals(Source);

#[cfg(unix)]
#[derive(Debug)]
enum Source {
    Own { interrupt: tokio::signal::unix::Signal, terminate: tokio::signal::unix::Signal },
    Relayed(tokio::sync::mpsc::Receiver<Signal>),
}

#[cfg(unix)]
impl Signals {
    /// Starts to receive; must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self(Source::Own { interrupt, terminate }))
    }

    /// Those of another process, as `relayed` says them; this one's own are left to whoever receives them.
    #[must_use]
    pub fn relayed(relayed: tokio::sync::mpsc::Receiver<Signal>) -> Self {
        Self(Source::Relayed(relayed))
    }

    /// The next signal.
    ///
    /// # Cancel safety
    /// Safe: a signal that arrives between two calls is answered by the second.
    pub async fn recv(&mut self) -> Signal {
        match &mut self.0 {
            Source::Own { interrupt, terminate } => tokio::select! {
                _ = interrupt.recv() => Signal::Interrupt,
                _ = terminate.recv() => Signal::Terminate,
            },
            Source::Relayed(relayed) => match relayed.recv().await {
                Some(signal) => signal,
                None => std::future::pending().await,
            },
        }
    }
}

/// Receives Ctrl-C.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Starts to receive.
    ///
    /// # Errors
    /// Never here.
    pub fn install() -> io::Result<Self> {
        Ok(Self)
    }

    /// The next Ctrl-C.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn recv(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Waits for the polite end of something, at most [`POLITE_END_MAX`]; `None` when it was cut off.
///
/// # Cancel safety
/// As `ending` itself.
pub async fn within_polite_end<F: Future>(ending: F) -> Option<F::Output> {
    tokio::time::timeout(POLITE_END_MAX, ending).await.ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_sent_before_recv_is_not_lost() {
        let mut signals = Signals::install().unwrap();
        let pid = std::process::id().to_string();
        let status = tokio::process::Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        assert!(status.success());
        assert_eq!(signals.recv().await, Signal::Terminate);
    }

    #[tokio::test]
    async fn an_end_that_is_ready_is_not_cut_off() {
        assert_eq!(within_polite_end(async { 7 }).await, Some(7));
        assert_eq!(Signal::Interrupt.exit_code() as u8, 130);
    }
}
