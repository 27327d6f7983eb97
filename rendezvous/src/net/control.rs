//! The control socket: how the commands of an operator reach a running rendezvous on the same machine.
//!
//! In: a Unix socket in the data directory, mode 0600; one JSON request a line. Out: one JSON answer a line.
//! Bounds: [`CONTROL_CONNECTIONS_MAX`] connections, [`CONTROL_REQUEST_BYTES_MAX`] a request, [`CONTROL_DEADLINE`] an
//! exchange. What can't be read is answered with an error that names the problem.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mgmt_service::cli_common::{ControlSocket, connect};
use overlay::PeerId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::limits::{
    CONTROL_ANSWER_BYTES_MAX, CONTROL_CONNECTIONS_MAX, CONTROL_DEADLINE, CONTROL_REQUEST_BYTES_MAX,
};

/// What an operator may ask of a running rendezvous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ControlRequest {
    /// How it is.
    Status,
    /// Who holds a lease.
    Peers,
    /// Which groups have advertisements.
    Groups,
    /// Ban a peer.
    Ban {
        /// The peer, as text.
        #[serde(with = "peer_text")]
        peer: PeerId,
    },
}

/// Who answers requests.
pub trait Control: Send + Sync + 'static {
    /// The result as JSON, or a sentence that says why not.
    fn answer(&self, request: ControlRequest) -> impl Future<Output = Result<Value, String>> + Send;
}

/// A listening control socket; dropping it removes the socket.
#[derive(Debug)]
pub struct ControlServer {
    socket: Arc<ControlSocket>,
    task: JoinHandle<()>,
}

/// Why a request had no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// No rendezvous runs with this data directory.
    #[error("reach a rendezvous at {socket}: none is running there")]
    NotRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket can't be used.
    #[error("use the control socket {socket}: {source}")]
    Io {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system allows about 100 bytes for a socket's path.
    #[error("use the control socket {socket}: its path is too long; choose a shorter --data-dir")]
    PathTooLong {
        /// The socket.
        socket: PathBuf,
    },
    /// It did not answer in time.
    #[error("get an answer at {socket} within {CONTROL_DEADLINE:?}")]
    TimedOut {
        /// The socket.
        socket: PathBuf,
    },
    /// Its answer can't be read; it may be of another version.
    #[error("read the answer at {socket}: {reason}")]
    Malformed {
        /// The socket.
        socket: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Reply {
    Done { result: Value },
    Failed { error: String },
}

impl ControlError {
    fn of(socket: &Path, source: io::Error) -> Self {
        let socket = socket.to_owned();
        match source.kind() {
            io::ErrorKind::InvalidInput => Self::PathTooLong { socket },
            _ => Self::Io { socket, source },
        }
    }
}

impl ControlServer {
    /// Listens in `data_dir`, which the caller holds the lock of: an old socket there is a dead one and is replaced.
    ///
    /// # Errors
    /// When the socket can't be made, as with a path of more than about 100 bytes.
    pub fn bind(data_dir: &Path, control: impl Control) -> Result<Self, ControlError> {
        let path = data_dir.join(SOCKET);
        let socket = ControlSocket::bind(&path).map_err(|source| ControlError::of(&path, source))?;
        let socket = Arc::new(socket);
        let task = tokio::spawn(accept(socket.clone(), Arc::new(control)));
        Ok(Self { socket, task })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.task.abort();
        self.socket.remove();
    }
}

/// Asks the rendezvous that runs with `data_dir`.
///
/// # Errors
/// [`ControlError`]; `NotRunning` when nobody listens there.
pub async fn ask(data_dir: &Path, request: &ControlRequest) -> Result<Value, ControlError> {
    let socket = data_dir.join(SOCKET);
    let exchange = timeout(CONTROL_DEADLINE, exchange(&socket, request)).await;
    match exchange {
        Ok(answer) => answer,
        Err(_) => Err(ControlError::TimedOut { socket }),
    }
}

async fn exchange(socket: &Path, request: &ControlRequest) -> Result<Value, ControlError> {
    let named = || socket.to_owned();
    let failed = |source| ControlError::of(socket, source);
    let absent = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::NotRunning { socket: named() }
        }
        _ => failed(source),
    };
    let malformed =
        |error: serde_json::Error| ControlError::Malformed { socket: named(), reason: error.to_string() };
    let mut stream = connect(socket).await.map_err(absent)?;
    let mut line = serde_json::to_vec(request).map_err(malformed)?;
    line.push(b'\n');
    stream.write_all(&line).await.map_err(failed)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(CONTROL_ANSWER_BYTES_MAX))
        .read_until(b'\n', &mut answer)
        .await
        .map_err(failed)?;
    match serde_json::from_slice(&answer).map_err(malformed)? {
        Reply::Done { result } => Ok(result),
        Reply::Failed { error } => Err(ControlError::Refused(error)),
    }
}

async fn accept(socket: Arc<ControlSocket>, control: Arc<impl Control>) {
    let places = Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX));
    let mut serving = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while serving.try_join_next().is_some() {}
        let stream = socket.accept().await;
        let control = Arc::clone(&control);
        serving.spawn(async move {
            let _place = place;
            if let Ok(Err(error)) = timeout(CONTROL_DEADLINE, serve(stream, &*control)).await {
                tracing::debug!(%error, "control connection failed");
            }
        });
    }
}

async fn serve(stream: UnixStream, control: &impl Control) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = Vec::new();
    BufReader::new(reader.take(CONTROL_REQUEST_BYTES_MAX)).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(());
    }
    let answer = match serde_json::from_slice(&line) {
        _ if line.last() != Some(&b'\n') => {
            Err(format!("read the request: it is not one line of at most {CONTROL_REQUEST_BYTES_MAX} bytes"))
        }
        Ok(request) => control.answer(request).await,
        Err(error) => Err(format!("read the request: {error}")),
    };
    let reply = match answer {
        Ok(result) => Reply::Done { result },
        Err(error) => Reply::Failed { error },
    };
    let mut line = serde_json::to_vec(&reply)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.shutdown().await
}

/// Peer ids as text, since not every form of them serializes as such.
mod peer_text {
    use overlay::PeerId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(peer: &PeerId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(peer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PeerId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format_args!("{text:?} is no peer id")))
    }
}

const SOCKET: &str = "control.sock";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Echo;

    impl Control for Echo {
        async fn answer(&self, request: ControlRequest) -> Result<Value, String> {
            match request {
                ControlRequest::Ban { .. } => Err("not this one".into()),
                other => serde_json::to_value(other).map_err(|error| error.to_string()),
            }
        }
    }

    #[tokio::test]
    async fn request_is_answered_and_a_refusal_says_why() {
        let place = tempfile::tempdir().unwrap();
        let _server = ControlServer::bind(place.path(), Echo).unwrap();
        let answer = ask(place.path(), &ControlRequest::Peers).await.unwrap();
        assert_eq!(answer, serde_json::json!({"command": "peers"}));
        let refused = ask(place.path(), &ControlRequest::Ban { peer: PeerId::random() }).await.unwrap_err();
        assert_eq!(refused.to_string(), "not this one");
    }

    #[tokio::test]
    async fn socket_is_for_its_owner_alone_and_goes_with_its_server() {
        let place = tempfile::tempdir().unwrap();
        let server = ControlServer::bind(place.path(), Echo).unwrap();
        let mode = fs::metadata(place.path().join(SOCKET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(server);
        let gone = ask(place.path(), &ControlRequest::Status).await;
        assert!(matches!(gone, Err(ControlError::NotRunning { .. })));
    }

    #[tokio::test]
    async fn dead_socket_of_a_killed_process_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(place.path().join(SOCKET)).unwrap());
        let dead = ask(place.path(), &ControlRequest::Status).await;
        assert!(matches!(dead, Err(ControlError::NotRunning { .. })));
        let _server = ControlServer::bind(place.path(), Echo).unwrap();
        assert!(ask(place.path(), &ControlRequest::Status).await.is_ok());
    }

    #[tokio::test]
    async fn path_that_is_too_long_for_a_socket_is_named_as_such() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("x".repeat(120));
        fs::create_dir(&deep).unwrap();
        assert!(matches!(ControlServer::bind(&deep, Echo), Err(ControlError::PathTooLong { .. })));
        assert!(matches!(ask(&deep, &ControlRequest::Status).await, Err(ControlError::PathTooLong { .. })));
    }

    #[tokio::test]
    async fn bad_requests_get_an_error_that_names_the_problem() {
        let place = tempfile::tempdir().unwrap();
        let _server = ControlServer::bind(place.path(), Echo).unwrap();
        let oversize = "x".repeat(CONTROL_REQUEST_BYTES_MAX as usize + 1);
        for (request, named) in [
            ("nonsense\n", "line 1"),
            ("{\"command\":\"reboot\"}\n", "reboot"),
            ("{\"command\":\"ban\"}\n", "peer"),
            ("{\"command\":\"ban\",\"peer\":\"alice\"}\n", "alice"),
            (oversize.as_str(), "4096 bytes"),
        ] {
            let mut stream = UnixStream::connect(place.path().join(SOCKET)).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            // An oversize request is not read to its end, which may reset the connection after its answer.
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.contains("\"error\"") && answer.contains(named), "{named}: {answer}");
        }
    }
}
