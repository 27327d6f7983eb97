//! One person of the demo: an `im --jsonl` process with its own identity and database.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};

use crate::demo::DemoError;

/// A running person. Killed on drop; one whose parent dies ends by itself, because its input ends.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) peer_id: String,
    pub(super) invite: String,
    process: Child,
    input: ChildStdin,
    commands: u64,
}

/// What all people's events go through; the stage reads it.
pub(super) type Events = mpsc::Sender<(usize, Value)>;

impl Person {
    /// Starts person number `index` and waits until it is ready.
    ///
    /// # Errors
    /// [`DemoError::Person`], [`DemoError::Io`].
    pub(super) async fn start(
        index: usize,
        name: &str,
        home: &Path,
        rendezvous: &str,
        ping_period: Duration,
        events: Events,
    ) -> Result<Self, DemoError> {
        let io = |source| DemoError::Io { what: format!("start {name}"), source };
        let program = std::env::current_exe().map_err(io)?;
        let period = humantime::format_duration(ping_period).to_string();
        let mut command = Command::new(program);
        command
            .args([
                "--jsonl",
                "--no-mdns",
                "--name",
                name,
                "--rendezvous",
                rendezvous,
                "--listen",
                "/ip4/127.0.0.1/tcp/0",
            ])
            .args(["--manage", "open", "--log", "error", "--ping-period", &period.replace(' ', "")])
            .arg("--data-dir")
            .arg(home.join(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the stage, which lets people finish.
            .process_group(0)
            .kill_on_drop(true);
        for (variable, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("JUXTA_"))
        {
            command.env_remove(variable);
        }
        let mut process = command.spawn().map_err(io)?;
        let missing = || io(std::io::Error::other("no pipe to the process"));
        let input = process.stdin.take().ok_or_else(missing)?;
        let mut lines = BufReader::new(process.stdout.take().ok_or_else(missing)?).lines();
        let (ready, is_ready) = oneshot::channel();
        tokio::spawn(async move {
            let mut ready = Some(ready);
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
                if event.get("event") == Some(&json!("ready"))
                    && let Some(ready) = ready.take()
                {
                    // A stage that has given up misses nothing.
                    let _ = ready.send(event);
                } else if events.send((index, event)).await.is_err() {
                    return;
                }
            }
        });
        let failed = |reason: &str| DemoError::Person { name: name.to_owned(), reason: reason.to_owned() };
        let event = tokio::time::timeout(READY_TIMEOUT, is_ready).await;
        let event =
            event.map_err(|_| failed("not ready in time"))?.map_err(|_| failed("it ended at once"))?;
        let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (peer_id, invite) = (text("peer_id"), text("invite"));
        Ok(Self { name: name.to_owned(), peer_id, invite, process, input, commands: 0 })
    }

    /// Gives a command; its reply is among the events.
    ///
    /// # Errors
    /// [`DemoError::Person`] when the process has ended.
    pub(super) async fn tell(&mut self, mut command: Value) -> Result<(), DemoError> {
        self.commands += 1;
        if let Some(fields) = command.as_object_mut() {
            fields.insert("id".to_owned(), json!(self.commands.to_string()));
        }
        let line = format!("{command}\n");
        let gone = |error: std::io::Error| DemoError::Person {
            name: self.name.clone(),
            reason: format!("it has ended ({error})"),
        };
        self.input.write_all(line.as_bytes()).await.map_err(gone)
    }

    /// Lets the person say goodbye; killed when that takes too long.
    pub(super) async fn quit(mut self) {
        // A process that has ended needs no goodbye.
        let _ = self.tell(json!({"command": "quit"})).await;
        if tokio::time::timeout(QUIT_TIMEOUT, self.process.wait()).await.is_err() {
            let _ = self.process.kill().await;
        }
    }
}

/// Time in which a person must be ready; processes start slowly on a loaded machine.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for a polite end, as all our programs promise it.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);
