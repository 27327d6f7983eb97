//! `mgmt aggregate` and `mgmt totals`: figures of many peers on their way up, and what has arrived.

use std::time::Duration;

use mgmt_service::aggregate::{Checks, Figures, Totals};
use mgmt_service::cli_common::{CliError, ExitCode, Signals};
use mgmt_service::error::AggregateError;
use mgmt_service::net::AggregatorNode;
use mgmt_service::summary::milliseconds;

use super::output::{Output, printable};
use super::session::Session;

/// Is an aggregator until the time is over or a signal comes.
pub(super) async fn aggregate(
    session: &Session,
    (level, interval): (u8, Duration),
    duration: Option<Duration>,
    signals: &mut Signals,
    mut output: Output,
) -> Result<ExitCode, CliError> {
    let Some(place) = &session.group else {
        return Err(CliError::refused("no management group here; enter one with `mgmt join TICKET`"));
    };
    let node = AggregatorNode::spawn(&session.peer, place, level, interval).await;
    let node = node.map_err(|error| match error {
        AggregateError::Role => CliError::refused(format_args!(
            "failed to {error}; enter with a ticket of `mgmt invite aggregator`"
        )),
        AggregateError::Level { .. } | AggregateError::Interval => {
            CliError::usage(format_args!("failed to {error}"))
        }
        error => CliError::failed(format_args!("failed to {error}")),
    })?;
    let shown = node.register(&session.beans);
    let _shown = shown.map_err(|error| CliError::failed(format_args!("failed to {error}")))?;
    output.line(&format!("aggregating at level {level} as {}", session.peer.id()))?;
    let over = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let code = tokio::select! {
        () = over => ExitCode::Done,
        signal = signals.recv() => signal.exit_code(),
    };
    for (name, count) in node.counters().into_iter().chain(node.upward_counters()) {
        tracing::info!(name, count, "counted");
    }
    node.shutdown().await;
    Ok(code)
}

/// Shows the figures of the last interval, and of all that the roots still keep; an aggregator that is contradicted in one
/// of `check` checks is a failure.
pub(super) async fn totals(
    session: &Session,
    json: bool,
    check: u32,
    signals: &mut Signals,
    mut output: Output,
) -> Result<ExitCode, CliError> {
    let (totals, checks) = tokio::select! {
        totals = session.manager.checked_totals(LOOKUP_TIMEOUT, check) => totals,
        signal = signals.recv() => return Ok(signal.exit_code()),
    };
    if json {
        let mut shown = totals.to_json();
        shown.as_object_mut().map(|shown| shown.insert("check".to_owned(), checks.to_json()));
        output.line(&shown.to_string())?;
    } else if totals.aggregators == 0 {
        output.line("no aggregators; start one with `mgmt aggregate`")?;
    } else {
        output.text(&text(&totals))?;
        output.text(&checked(&checks))?;
    }
    session.note(&checks)?;
    let contradicted = checks.contradictions().next().is_some();
    Ok(if contradicted { ExitCode::Failed } else { ExitCode::Done })
}

/// What the checks found; nothing when there were none.
fn checked(checks: &Checks) -> String {
    if checks.checks.is_empty() {
        return String::new();
    }
    let (all, agreeing) = (checks.checks.len(), checks.agreeing());
    let mut text = format!(
        "{all} spot checks: {agreeing} agree, {} contradict, {} not checkable ({} questions, {:.1} kB)\n",
        checks.contradictions().count(),
        checks.not_checkable().count(),
        checks.questions,
        checks.bytes as f64 / 1e3
    );
    for (aggregator, times) in checks.contradicted() {
        text.push_str(&format!("CONTRADICTED in {times} of {all} checks: aggregator {aggregator}\n"));
    }
    for (check, found) in checks.contradictions() {
        text.push_str(&format!("  interval {}: {}\n", check.interval, found.sentence()));
    }
    for (aggregator, times) in checks.unverified() {
        text.push_str(&format!(
            "UNVERIFIED in {times} of {all} checks: aggregator {aggregator} counted what its child can't tell of\n"
        ));
    }
    for (peer, why) in checks.not_checkable() {
        text.push_str(&format!("  not checkable: {peer} ({})\n", why.as_str()));
    }
    text
}

fn text(totals: &Totals) -> String {
    let Totals { aggregators, roots, unanswered, left_out, .. } = totals;
    let mut text = format!("{aggregators} aggregators, {roots} at the top");
    if *unanswered > 0 {
        text.push_str(&format!(", {unanswered} did not answer: what they know is missing"));
    }
    if *left_out > 0 {
        text.push_str(&format!(", {left_out} left out: they have another --interval than most"));
    }
    text.push('\n');
    let Some((_, last)) = totals.last() else {
        text.push_str("nothing yet; the first figures come after one interval\n");
        return text;
    };
    let length = totals.length();
    text.push_str(&format!(
        "last interval of {length:?}, {} of {} peers reporting\n",
        last.reporting, last.expected
    ));
    table(&mut text, &last.figures);
    text.push_str(&format!("last {} intervals together\n", totals.intervals().count()));
    table(&mut text, &totals.figures());
    text
}

fn table(text: &mut String, figures: &Figures) {
    text.push_str(&format!(
        "  {:<24} {:>9} {:>8} {:>9} {:>9} {:>9}\n",
        "transaction", "count", "failed", "p50 ms", "p95 ms", "p99 ms"
    ));
    for (name, figure) in figures.iter() {
        let millis = |q| {
            let time = figure.response.quantile(q);
            time.map_or_else(|| "-".to_owned(), |time| milliseconds(time.as_secs_f64() * 1e6))
        };
        let (name, count, failed) = (printable(name), figure.count(), figure.failed);
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(millis);
        text.push_str(&format!("  {name:<24} {count:>9} {failed:>8} {p50:>9} {p95:>9} {p99:>9}\n"));
    }
}

/// How long aggregators are looked for.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregators_whose_figures_are_not_in_are_shown() {
        let mut totals = Totals::default();
        (totals.aggregators, totals.roots, totals.left_out) = (4, 3, 1);
        let first = text(&totals).lines().next().map(str::to_owned);
        let shown = "4 aggregators, 3 at the top, 1 left out: they have another --interval than most";
        assert_eq!(first.as_deref(), Some(shown));
        assert_eq!(totals.to_json()["left_out"], 1);
    }
}
