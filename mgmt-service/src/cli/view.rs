//! `mgmt view`: the latency matrix (paper, figure 3).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use mgmt_service::cli_common::{CliError, ExitCode, Signals};
use mgmt_service::jmx::{ObjectNamePattern, record_of};
use mgmt_service::latency::LatencyMatrix;
use mgmt_service::net::AgentInfo;

use super::collect::attend;
use super::names::as_seen;
use super::output::{Output, printable, unwritable};
use super::session::Session;

/// Shows what agents hold and, for a while or on a terminal, what comes.
pub(super) async fn view(
    session: &Session,
    json: bool,
    duration: Option<Duration>,
    signals: &mut Signals,
    mut output: Output,
) -> Result<ExitCode, CliError> {
    let matrix = Arc::new(Mutex::new(LatencyMatrix::new()));
    tokio::select! {
        held = fill(session, &matrix) => held?,
        signal = signals.recv() => return Ok(signal.exit_code()),
    }
    let live = !json && output.is_terminal();
    if duration.is_none() && !live {
        show(&matrix, json, &mut output)?;
        return Ok(ExitCode::Done);
    }
    let collection = session.manager.collect(ObjectNamePattern::everything(), matrix.clone());
    let (end, code) = attend(collection, duration, signals, |collection| {
        learn(&matrix, &as_seen(&session.manager, collection.agents()));
        if live {
            output.text(CLEAR_SCREEN)?;
            show(&matrix, json, &mut output)?;
        }
        Ok(())
    })
    .await?;
    if let Some(error) = end.failure {
        return Err(unwritable(&error));
    }
    if live {
        output.text(CLEAR_SCREEN)?;
    }
    show(&matrix, json, &mut output)?;
    Ok(code)
}

/// Fills the matrix with the records that agents hold as objects. An agent that doesn't answer is left out.
async fn fill(session: &Session, matrix: &Mutex<LatencyMatrix>) -> Result<(), CliError> {
    let pattern: ObjectNamePattern = RECORDS.parse().map_err(CliError::failed)?;
    let agents = session.agents().await;
    learn(matrix, &as_seen(&session.manager, agents.clone()));
    let asking = futures::stream::iter(agents).map(|agent| {
        let (pattern, seen_as) = (&pattern, session.manager.sees(&agent));
        async move { (seen_as, session.manager.get(agent.peer, pattern, &[]).await) }
    });
    let mut answers = asking.buffer_unordered(AT_ONCE);
    while let Some((peer, answer)) = answers.next().await {
        let beans = match answer {
            Ok(beans) => beans,
            Err(error) => {
                tracing::warn!(%peer, reason = %error, "agent left out");
                continue;
            }
        };
        let records = beans.iter().filter_map(|bean| record_of(&bean.name, &bean.attributes));
        let mut matrix = matrix.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody reports for another.
        records.filter(|record| record.peer == peer).for_each(|record| matrix.record(&record));
    }
    Ok(())
}

fn learn(matrix: &Mutex<LatencyMatrix>, agents: &[AgentInfo]) {
    let mut matrix = matrix.lock().unwrap_or_else(PoisonError::into_inner);
    for agent in agents.iter().filter(|agent| !agent.name.is_empty()) {
        matrix.name_peer(agent.peer, &printable(&agent.name));
    }
}

fn show(matrix: &Mutex<LatencyMatrix>, json: bool, output: &mut Output) -> Result<(), CliError> {
    let matrix = matrix.lock().unwrap_or_else(PoisonError::into_inner);
    if json { output.line(&matrix.to_json().to_string()) } else { output.text(&matrix.to_string()) }
}

/// Names of all records.
const RECORDS: &str = "*:dest=*,corr=*";

/// Agents that are asked at the same time.
const AT_ONCE: usize = 16;

/// Cursor to the top left, then everything below it cleared.
const CLEAR_SCREEN: &str = "\u{1b}[H\u{1b}[J";
