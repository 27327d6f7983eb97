//! A command in a data directory that another process holds: that one runs it, and its output appears here.

use mgmt_service::cli_common::{CliError, DataDir, ExitCode, Settings, Signals, connect, within_polite_end};
use mgmt_service::error::DataDirError;
use mgmt_service::limits::CONTROL_WAIT_MAX;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::time::{Duration, sleep, timeout};

use super::args::Command;
use super::inside::{SOCKET_FILE, is_for_others};
use super::lines::{Ask, Said, Told, ended, next, to_line};
use super::output::Output;
use super::session::unusable;

/// Who does a command.
pub(super) enum Doer {
    /// This process, which holds the data directory from now on.
    This(DataDir),
    /// The one that holds it.
    Other(UnixStream),
}

/// Who does `command`. One that holds the directory and does not listen starts or ends: it is waited for, if it is of use.
pub(super) async fn find(settings: &Settings, command: &Command) -> Result<Doer, CliError> {
    let socket = settings.data_dir.join(SOCKET_FILE);
    // The running one has its rendezvous, whatever is said here.
    let alone_without = settings.rendezvous.is_empty();
    if alone_without && !(is_for_others(command) && socket.exists()) {
        return Err(no_rendezvous());
    }
    let finding = async {
        loop {
            match DataDir::open(&settings.data_dir) {
                Err(DataDirError::InUse { .. }) if is_for_others(command) => {}
                // The socket may be left of one that was killed.
                Ok(_) if alone_without => return Err(no_rendezvous()),
                opened => return opened.map(Doer::This).map_err(unusable),
            }
            if let Ok(stream) = connect(&socket).await {
                return Ok(Doer::Other(stream));
            }
            sleep(LOOK_PERIOD).await;
        }
    };
    let in_use = |_| Err(unusable(DataDirError::InUse { path: settings.data_dir.clone() }));
    timeout(CONTROL_WAIT_MAX, finding).await.unwrap_or_else(in_use)
}

fn no_rendezvous() -> CliError {
    CliError::usage("no rendezvous given; name one with --rendezvous MULTIADDR")
}

/// Has the command line of this process done by another one.
pub(super) async fn ask(
    stream: UnixStream,
    signals: &mut Signals,
    output: Output,
) -> Result<ExitCode, CliError> {
    let args = std::env::args_os().skip(1).map(|word| word.into_string());
    let args: Vec<String> = args
        .collect::<Result<_, _>>()
        .map_err(|word| CliError::usage(format_args!("{} is no UTF-8", word.display())))?;
    let ask = Ask { args, terminal: output.is_terminal() };
    let (reader, mut writer) = stream.into_split();
    let gone = |_| left();
    writer.write_all(&to_line(&ask)).await.map_err(gone)?;
    let listening = listen(BufReader::new(reader), output);
    tokio::pin!(listening);
    let signal = tokio::select! {
        done = &mut listening => return done,
        signal = signals.recv() => signal,
    };
    writer.write_all(&to_line(&Told::from(signal))).await.map_err(gone)?;
    within_polite_end(listening).await.unwrap_or(Ok(signal.exit_code()))
}

/// Shows what comes until the command has ended.
async fn listen(mut lines: BufReader<OwnedReadHalf>, mut output: Output) -> Result<ExitCode, CliError> {
    loop {
        match next(&mut lines).await {
            Some(Said::Out(text)) => output.text(&text)?,
            Some(Said::Note(text)) => output.note(&text),
            Some(Said::End { code, error }) => return ended(code, error),
            None => return Err(left()),
        }
    }
}

fn left() -> CliError {
    CliError::failed("the process that held this data directory has ended meanwhile; run the command again")
}

/// Time between two looks whether a directory is free, or its holder listens.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_was_left_behind_needs_a_rendezvous_as_none_does() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            data_dir: dir.path().to_owned(),
            name: None,
            listen: Vec::new(),
            rendezvous: Vec::new(),
            mdns: false,
            manage: None,
            log: String::new(),
        };
        for left in [false, true] {
            if left {
                // A killed process leaves its socket and no lock.
                drop(std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET_FILE)).unwrap());
            }
            let error = find(&settings, &Command::Agents { json: false }).await.err().unwrap();
            assert_eq!(error.code, ExitCode::Usage, "{left}");
        }
    }
}
