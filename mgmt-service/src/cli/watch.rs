//! `mgmt watch`: records as they come, and what monitors say.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mgmt_service::arm::{ArmRecord, Status};
use mgmt_service::cli_common::{CliError, ExitCode, Signals};
use mgmt_service::jmx::ObjectNamePattern;
use mgmt_service::limits::NOTICES_WAITING_MAX;
use mgmt_service::net::{Heard, RecordSink, Wish};
use mgmt_service::protocol::Said;
use mgmt_service::summary::milliseconds;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::collect::attend;
use super::names::{Names, as_seen};
use super::output::{Output, printable, unwritable};
use super::session::Session;
use super::shown::lock;

/// Shows records until the time is over or a signal comes.
pub(super) async fn watch(
    session: &Session,
    pattern: ObjectNamePattern,
    (jsonl, notifications): (bool, bool),
    duration: Option<Duration>,
    signals: &mut Signals,
    output: Output,
) -> Result<ExitCode, CliError> {
    let names = Names::default();
    if !jsonl {
        // So that the first line calls everybody by name.
        names.learn(as_seen(&session.manager, session.agents().await));
    }
    let printer = Printer { output, unwritten: String::new(), names: names.clone(), jsonl };
    let printer = Arc::new(Mutex::new(printer));
    let (notices, heard) = mpsc::channel(NOTICES_WAITING_MAX);
    let wish = Wish { standing: false, notices: notifications.then_some(notices) };
    let collection = session.manager.collect_as(pattern, Shared(printer.clone()), wish);
    let learn = |agents| names.learn(as_seen(&session.manager, agents));
    let attending = attend(collection, duration, signals, |collection| {
        learn(collection.agents());
        Ok(())
    });
    let (end, code) = tokio::select! {
        ended = attending => ended?,
        error = print_heard(printer, heard) => return Err(unwritable(&error)),
    };
    match end.failure {
        Some(error) => Err(unwritable(&error)),
        None => Ok(code),
    }
}

/// Prints what monitors say, until that fails. Its reader may be slow, and records may wait for him already: that is no
/// wait for a thread that runs tasks.
async fn print_heard(printer: Arc<Mutex<Printer>>, mut heard: mpsc::Receiver<Heard>) -> io::Error {
    while let Some(heard) = heard.recv().await {
        let printer = printer.clone();
        let printed = spawn_blocking(move || lock(&printer).heard(&heard)).await;
        if let Err(error) = printed.unwrap_or_else(|error| Err(io::Error::other(error))) {
            return error;
        }
    }
    // Nobody wants to hear them, or the collection has ended.
    std::future::pending().await
}

/// A sink that prints; what was printed counts as committed.
struct Shared(Arc<Mutex<Printer>>);

struct Printer {
    output: Output,
    unwritten: String,
    names: Names,
    jsonl: bool,
}

impl RecordSink for Shared {
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()> {
        let mut printer = lock(&self.0);
        for record in records {
            let line = if printer.jsonl { record.to_json_line() } else { printer.text(record) };
            printer.unwritten.push_str(&line);
            printer.unwritten.push('\n');
        }
        if printer.unwritten.len() >= UNWRITTEN_BYTES { printer.flush() } else { Ok(()) }
    }

    fn commit(&mut self) -> io::Result<()> {
        lock(&self.0).flush()
    }
}

impl Printer {
    fn flush(&mut self) -> io::Result<()> {
        let unwritten = std::mem::take(&mut self.unwritten);
        self.output.put(&unwritten)
    }

    fn heard(&mut self, Heard { peer, said, lost, .. }: &Heard) -> io::Result<()> {
        if *lost > 0 {
            tracing::warn!(%peer, lost, "notifications were lost");
        }
        for said in said {
            let line = if self.jsonl {
                let Said { serial, at, crossing, monitor, object, attribute, value } = said;
                json!({
                    "notification": serial, "at": at, "peer": peer.to_string(), "crossing": crossing,
                    "monitor": monitor, "object": object, "attribute": attribute, "value": value,
                })
                .to_string()
            } else {
                let Said { at, crossing, monitor, object, attribute, value, .. } = said;
                let text = format!(
                    "{at} {} ! {crossing}: {object} {attribute} {value} (monitor {monitor})",
                    self.names.of(peer)
                );
                printable(&text)
            };
            self.unwritten.push_str(&line);
            self.unwritten.push('\n');
        }
        self.flush()
    }

    fn text(&self, record: &ArmRecord) -> String {
        let took = record.response_us.map(|us| format!("{} ms", milliseconds(us as f64)));
        let how = match record.status {
            Status::Good => took.unwrap_or_default(),
            status => format!("{status} {}", record.reason),
        };
        let (peer, dest) = (self.names.of(&record.peer), self.names.of(&record.dest));
        let (transaction, state) = (printable(&record.transaction), record.dest_status);
        format!("{} {peer:<12} → {dest:<12} {transaction} {how} {state}", record.at()).trim_end().to_owned()
    }
}

/// Bytes of lines that wait for a commit before they are written all the same.
const UNWRITTEN_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;

    #[tokio::test]
    async fn notifications_that_wait_for_a_slow_reader_of_records_hold_up_no_task() {
        let (output, names) = (Output::Own, Names::default());
        let printer = Arc::new(Mutex::new(Printer { output, unwritten: String::new(), names, jsonl: true }));
        let ((locked, is_locked), (let_go, goes)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let of_sink = printer.clone();
        let sink = std::thread::spawn(move || {
            let _writing = lock(&of_sink);
            locked.send(()).unwrap();
            goes.recv_timeout(Duration::from_secs(60)).is_ok()
        });
        is_locked.recv().unwrap();
        let (notices, heard) = mpsc::channel(1);
        let (peer, monitors, said) = (PeerId::random(), Vec::new(), Vec::new());
        notices.try_send(Heard { peer, anew: true, monitors, said, lost: 0 }).unwrap();
        tokio::select! {
            biased;
            error = print_heard(printer, heard) => panic!("{error}"),
            () = async { let_go.send(()).unwrap() } => {}
        }
        assert!(sink.join().unwrap(), "another task ran while the sink waited for its reader");
    }
}
