//! The past of a served manager, from its store: response times of the last hour, day or week.
//!
//! In: a span by name, perhaps a pair. Out: `{width_ms, since_ms, until_ms, points: [[at_ms, count, failed, mean, p50, p95, p99],
//! …]}`, times in microseconds. At most 168 points; costs what [`Store::series`] does.

use std::path::Path;

use mgmt_service::store::{Fineness, Moment, Selection, Store, StoreError};
use overlay::PeerId;
use serde_json::{Value, json};

use super::collect::now_ms;

/// The past that the store in `file` holds; none for a span that there is not.
pub(super) fn tell(file: &Path, span: &str, pair: Option<(PeerId, PeerId)>) -> Option<Result<Value, String>> {
    let span = SPANS.iter().find(|(name, ..)| *name == span)?;
    Some(series(file, span, pair).map_err(|error| error.to_string()))
}

fn series(
    file: &Path,
    (_, back_ms, width_ms, fineness): &Span,
    pair: Option<(PeerId, PeerId)>,
) -> Result<Value, StoreError> {
    let until_ms = now_ms();
    let since_ms = until_ms.saturating_sub(*back_ms);
    let selection = Selection { since_ms, until_ms };
    let moments = Store::read(file)?.series(selection, *fineness, *width_ms, pair)?;
    let point = |(at_ms, moment): (&u64, &Moment)| {
        let mut row = vec![json!(at_ms)];
        row.extend(moment.to_json().as_array().cloned().unwrap_or_default());
        Value::from(row)
    };
    let points: Vec<Value> = moments.iter().map(point).collect();
    Ok(json!({ "width_ms": width_ms, "since_ms": since_ms, "until_ms": until_ms, "points": points }))
}

/// Its name, how far back, how wide a point is, from which table.
type Span = (&'static str, u64, u64, Fineness);

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const SPANS: [Span; 3] = [
    ("hour", HOUR_MS, MINUTE_MS, Fineness::Minutes),
    ("day", 24 * HOUR_MS, 15 * MINUTE_MS, Fineness::Minutes),
    ("week", 7 * 24 * HOUR_MS, HOUR_MS, Fineness::Hours),
];
