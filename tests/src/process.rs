//! A program of the workspace as a child process with pipes.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Home, Transcript, binary, example};

/// How long a wait lasts before it counts as failed. Only a failure lasts so long: the machine may stand still for some
/// seconds in each of the processes that a step passes through.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How often a process is asked whether it has ended, which the standard library can't wait for with a deadline.
const EXIT_POLL: Duration = Duration::from_millis(5);

/// A program with its arguments, not started yet.
#[derive(Debug)]
pub struct Program {
    name: String,
    command: Command,
}

/// A running program. Killed on drop.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Transcript,
    stderr: Transcript,
    commands: u32,
}

/// How a program ended and what it had said.
#[derive(Debug)]
pub struct Exit {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Every line of stdout.
    pub stdout: Vec<String>,
    /// Everything on stderr.
    pub stderr: String,
}

/// A signal that asks a process to end politely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, as Ctrl-C sends it.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGSTOP: it stands still, and can't help it.
    Stop,
    /// SIGCONT: it goes on.
    Continue,
}

impl Program {
    /// The program `im`, `rendezvous` or `mgmt` for a user whose home directory is `home`, with nothing configured.
    #[must_use]
    pub fn new(name: &str, home: &Home) -> Self {
        Self::at(binary(name), name, home)
    }

    /// An example of the crate `overlay`, for the same user.
    #[must_use]
    pub fn example(name: &str, home: &Home) -> Self {
        Self::at(example(name), name, home)
    }

    fn at(path: PathBuf, name: &str, home: &Home) -> Self {
        let mut command = Command::new(path);
        let foreign = |key: &str| key.starts_with("JUXTA_") || key.starts_with("XDG_") || key == "RUST_LOG";
        for (key, _) in std::env::vars().filter(|(key, _)| foreign(key)) {
            command.env_remove(key);
        }
        // Nothing of a test leaves this machine.
        command.env("JUXTA_NO_MDNS", "true");
        command.env("HOME", home.path()).current_dir(home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { name: name.to_owned(), command }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Adds `--data-dir`.
    #[must_use]
    pub fn data_dir(self, path: &Path) -> Self {
        self.args(["--data-dir".as_ref(), path.as_os_str()])
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When the system can't start it.
    #[must_use]
    pub fn start(mut self) -> Process {
        let mut child =
            self.command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", self.name));
        let stdout = Transcript::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Transcript::of(child.stderr.take().expect("stderr is piped"));
        let stdin = child.stdin.take();
        Process { name: self.name, child, stdin, stdout, stderr, commands: 0 }
    }

    /// Starts it without input and waits until it has ended by itself.
    ///
    /// # Panics
    /// When it is still running after [`PATIENCE`].
    #[must_use]
    pub fn run(self) -> Exit {
        self.start().finish()
    }
}

impl Process {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its stdin. A process that has ended does not read it; the next wait says so.
    pub fn write_line(&mut self, line: &str) {
        if let Some(stdin) = &mut self.stdin {
            let _ended = stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdin.flush());
        }
    }

    /// Ends its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for the first line of stdout that satisfies `wanted` and was not waited for before.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`].
    pub fn line(&self, what: &str, wanted: impl FnMut(&str) -> bool) -> String {
        self.stdout.take(PATIENCE, wanted).unwrap_or_else(|| self.fail(what, PATIENCE))
    }

    /// As [`Process::line`], on stderr.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`].
    pub fn stderr_line(&self, what: &str, wanted: impl FnMut(&str) -> bool) -> String {
        self.stderr.take(PATIENCE, wanted).unwrap_or_else(|| self.fail(what, PATIENCE))
    }

    /// Waits for the first JSON line that satisfies `wanted` and was not waited for before.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`], or a line is no JSON.
    pub fn event(&self, what: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        self.event_within(PATIENCE, what, wanted)
    }

    /// As [`Process::event`], with a deadline that the product promises.
    ///
    /// # Panics
    /// When none comes within `deadline`, or a line is no JSON.
    pub fn event_within(
        &self,
        deadline: Duration,
        what: &str,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Value {
        let line = self.stdout.take(deadline, |line| wanted(&self.parse(line)));
        line.map_or_else(|| self.fail(what, deadline), |line| self.parse(&line))
    }

    /// As [`Process::event_within`]; the earlier events that the found one makes `stale` are not waited for any more.
    ///
    /// # Panics
    /// When none comes within `deadline`, or a line is no JSON.
    pub fn newest_within(
        &self,
        deadline: Duration,
        what: &str,
        mut wanted: impl FnMut(&Value) -> bool,
        mut stale: impl FnMut(&Value) -> bool,
    ) -> Value {
        let (is_wanted, is_stale) =
            (|line: &str| wanted(&self.parse(line)), |line: &str| stale(&self.parse(line)));
        let line = self.stdout.take_newest(deadline, is_wanted, is_stale);
        line.map_or_else(|| self.fail(what, deadline), |line| self.parse(&line))
    }

    /// Waits until the last of the events that are `about` something satisfies `wanted`, and was not waited for before; all
    /// of them count as waited for.
    ///
    /// # Panics
    /// When that does not come within `deadline`, or a line is no JSON.
    pub fn last_within(
        &self,
        deadline: Duration,
        what: &str,
        mut about: impl FnMut(&Value) -> bool,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Value {
        let (is_about, is_wanted) =
            (|line: &str| about(&self.parse(line)), |line: &str| wanted(&self.parse(line)));
        let line = self.stdout.take_last(deadline, is_about, is_wanted);
        line.map_or_else(|| self.fail(what, deadline), |line| self.parse(&line))
    }

    /// Every JSON line so far that satisfies `wanted`, waited for or not.
    #[must_use]
    pub fn seen(&self, mut wanted: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let all = self.stdout.lines();
        all.iter().map(|line| self.parse(line)).filter(|value| wanted(value)).collect()
    }

    /// The line of stdout with this number, counted from 0; empty when there is none yet.
    #[must_use]
    pub fn line_number(&self, number: usize) -> String {
        self.stdout.lines().get(number).cloned().unwrap_or_default()
    }

    /// Sends a command under a new id and returns its reply: `{"ok", "result" or "error", …}`.
    ///
    /// # Panics
    /// When no reply comes within [`PATIENCE`].
    pub fn command(&mut self, mut command: Value) -> Value {
        self.commands += 1;
        let id = format!("t{}", self.commands);
        command["id"] = json!(id);
        self.write_line(&command.to_string());
        self.event(&format!("the reply to {command}"), |event| {
            event["event"] == "reply" && event["id"] == json!(id)
        })
    }

    /// Sends a command that must succeed; returns its result.
    ///
    /// # Panics
    /// When it is refused, with the refusal.
    pub fn must(&mut self, command: Value) -> Value {
        let asked = command.to_string();
        let reply = self.command(command);
        assert_eq!(reply["ok"], true, "{} refused {asked}: {reply}", self.name);
        reply["result"].clone()
    }

    /// Sends a command that must be refused; returns the error's code.
    ///
    /// # Panics
    /// When it succeeds.
    pub fn refused(&mut self, command: Value) -> String {
        let asked = command.to_string();
        let reply = self.command(command);
        assert_eq!(reply["ok"], false, "{} did not refuse {asked}: {reply}", self.name);
        reply["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Asks it to end.
    ///
    /// # Panics
    /// When the system can't send the signal.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Interrupt => "-INT",
            Signal::Terminate => "-TERM",
            Signal::Stop => "-STOP",
            Signal::Continue => "-CONT",
        };
        // The standard library sends SIGKILL alone; every Unix shell has `kill`.
        let script = ["-c", "kill \"$1\" \"$2\"", "sh", name, &self.pid().to_string()].map(str::to_owned);
        assert!(
            Command::new("sh").args(script).status().is_ok_and(|status| status.success()),
            "cannot signal"
        );
    }

    /// Kills it at once, with SIGKILL: nothing is announced, nothing is written.
    pub fn kill(mut self) {
        self.end();
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it is still running after [`PATIENCE`].
    #[must_use]
    pub fn finish(mut self) -> Exit {
        self.stdin = None;
        let give_up = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                break status;
            }
            if Instant::now() > give_up {
                self.fail("its end", PATIENCE)
            }
            std::thread::sleep(EXIT_POLL);
        };
        self.stdout.finish();
        self.stderr.finish();
        Exit { code: status.code(), stdout: self.stdout.lines(), stderr: self.stderr.lines().join("\n") }
    }

    /// A line as JSON.
    fn parse(&self, line: &str) -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: no JSON ({error}): {line}", self.name))
    }

    /// Ends the test with everything that explains why.
    fn fail(&self, what: &str, after: Duration) -> ! {
        panic!(
            "{} (process {}): waited {after:?} for {what}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.name,
            self.pid(),
            self.stdout.lines().join("\n"),
            self.stderr.lines().join("\n")
        );
    }

    /// Kills the process and collects it. Does nothing when it has ended.
    fn end(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
