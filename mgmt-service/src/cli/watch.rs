//! `mgmt watch`: records as they come.

use std::io::{self, BufWriter, Stdout, Write};
use std::time::Duration;

use mgmt_service::arm::{ArmRecord, Status};
use mgmt_service::cli_common::{CliError, ExitCode, Signals};
use mgmt_service::jmx::ObjectNamePattern;
use mgmt_service::net::RecordSink;
use mgmt_service::summary::milliseconds;

use super::collect::attend;
use super::names::{Names, as_seen};
use super::output::{printable, unwritable};
use super::session::Session;

/// Shows records until the time is over or a signal comes.
pub(super) async fn watch(
    session: &Session,
    pattern: ObjectNamePattern,
    jsonl: bool,
    duration: Option<Duration>,
    signals: &mut Signals,
) -> Result<ExitCode, CliError> {
    let names = Names::default();
    let printer = Printer { out: BufWriter::new(io::stdout()), names: names.clone(), jsonl };
    let collection = session.manager.collect(pattern, printer);
    let (end, code) = attend(collection, duration, signals, |collection| {
        names.learn(as_seen(&session.manager, collection.agents()));
        Ok(())
    })
    .await?;
    match end.failure {
        Some(error) => Err(unwritable(&error)),
        None => Ok(code),
    }
}

/// A sink that prints; what was printed counts as committed.
struct Printer {
    out: BufWriter<Stdout>,
    names: Names,
    jsonl: bool,
}

impl RecordSink for Printer {
    fn write(&mut self, records: &[ArmRecord]) -> io::Result<()> {
        for record in records {
            let line = if self.jsonl { record.to_json_line() } else { self.text(record) };
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Printer {
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
