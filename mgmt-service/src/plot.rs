//! The paper's figure 8 as pictures: response times over time, and their distribution.
//!
//! In: response times in microseconds. Out: one self-contained SVG document each, for any browser. However
//! much goes in, a picture has at most `PLOT_POINTS_MAX` points, as many failures as it is pixels wide, and
//! `PLOT_BARS_MAX` bars. Texts are escaped; no number that a peer can claim breaks a picture.

use crate::arm::rfc3339_ms;
use crate::limits::{PLOT_BARS_MAX, PLOT_POINTS_MAX};
use crate::summary::{Summary, milliseconds};

mod axis;
mod chart;

use axis::Axis;
use chart::{Chart, Mark};

/// Response times over time (paper, figure 8.a) as an SVG document.
///
/// A point is (start in milliseconds since 1970, response time in microseconds); a point without a response
/// time is a PING that failed, and is marked at the upper edge. The points may come in any order.
#[must_use]
pub fn series_svg(title: &str, points: &[(u64, Option<u64>)]) -> String {
    let mut points = points.to_vec();
    points.sort_by_key(|(at_ms, _)| *at_ms);
    let first_ms = points.first().map_or(0, |(at_ms, _)| *at_ms);
    let last_ms = points.last().map_or(0, |(at_ms, _)| *at_ms);
    let (unit, unit_ms) = time_unit(last_ms - first_ms);
    let times: Vec<u64> = points.iter().filter_map(|(_, response_us)| *response_us).collect();
    let summary = Summary::of(&times);
    let slowest_ms = times.iter().max().map_or(1.0, |us| *us as f64 / 1000.0);

    let x = Axis::horizontal(0.0, (last_ms - first_ms) as f64 / unit_ms);
    let y = Axis::vertical(slowest_ms);
    let mut chart = Chart::new(title, &summary, x, y);
    let from = if points.is_empty() { String::new() } else { format!(" since {}", rfc3339_ms(first_ms)) };
    chart.axes(&format!("{unit}{from}"), "response time (ms)");
    if !times.is_empty() {
        chart.horizontal_marks(&marks(&summary));
    }
    let place = |at_ms: u64| (at_ms - first_ms) as f64 / unit_ms;
    let answered = points.iter().filter_map(|(at_ms, us)| us.map(|us| (place(*at_ms), us as f64 / 1000.0)));
    chart.line(&thinned(&answered.collect::<Vec<_>>()));
    let failed: Vec<f64> =
        points.iter().filter(|(_, us)| us.is_none()).map(|(at_ms, _)| place(*at_ms)).collect();
    chart.failures(&failed);
    chart.finish()
}

/// How often which response time occurred (paper, figure 8.b) as an SVG document.
///
/// When single times lie far above the others, the picture ends above the 99 % quantile and says how many
/// lie beyond.
#[must_use]
pub fn distribution_svg(title: &str, response_us: &[u64]) -> String {
    let summary = Summary::of(response_us);
    let mut sorted = response_us.to_vec();
    sorted.sort_unstable();
    let slowest_us = sorted.last().copied().unwrap_or(1000);
    let clip_us = summary.p99_us.saturating_mul(3);
    let high_us = if slowest_us > clip_us && clip_us > 0 { clip_us / 2 } else { slowest_us };
    let low_us = sorted.first().copied().unwrap_or(0).min(high_us);
    let shown = sorted.partition_point(|us| *us <= high_us);
    let beyond = sorted.len() - shown;

    let x = Axis::horizontal(low_us as f64 / 1000.0, high_us as f64 / 1000.0);
    let shown_ms: Vec<f64> = sorted.iter().take(shown).map(|us| *us as f64 / 1000.0).collect();
    let bars = bars(&shown_ms, &x);
    let y = Axis::vertical(bars.iter().copied().max().unwrap_or(0).max(1) as f64);
    let mut chart = Chart::new(title, &summary, x, y);
    let note = if beyond > 0 { format!(" · {beyond} slower than shown") } else { String::new() };
    chart.axes(&format!("response time (ms){note}"), "number of PINGs");
    chart.bars(&bars);
    if !sorted.is_empty() {
        chart.vertical_marks(&marks(&summary));
    }
    chart.finish()
}

fn marks(summary: &Summary) -> Vec<Mark> {
    let (mean, sigma) = (summary.mean_us / 1000.0, summary.sigma_us / 1000.0);
    let quantile = |name: &'static str, us: u64, color: &'static str| Mark {
        label: format!("{name} {}", milliseconds(us as f64)),
        from: us as f64 / 1000.0,
        to: None,
        color,
    };
    vec![
        Mark {
            label: format!("± σ {}", milliseconds(summary.sigma_us)),
            from: mean - sigma,
            to: Some(mean + sigma),
            color: "#f08c00",
        },
        Mark {
            label: format!("mean {}", milliseconds(summary.mean_us)),
            from: mean,
            to: None,
            color: "#d9480f",
        },
        quantile("p50", summary.p50_us, "#2b8a3e"),
        quantile("p95", summary.p95_us, "#862e9c"),
        quantile("p99", summary.p99_us, "#c2255c"),
    ]
}

/// The unit in which a span of time is readable, and its milliseconds.
fn time_unit(span_ms: u64) -> (&'static str, f64) {
    match span_ms {
        0..=300_000 => ("seconds", 1_000.0),
        300_001..=10_800_000 => ("minutes", 60_000.0),
        10_800_001..=345_600_000 => ("hours", 3_600_000.0),
        _ => ("days", 86_400_000.0),
    }
}

/// At most `PLOT_POINTS_MAX` points in order: of each stretch of them the lowest and the highest.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= PLOT_POINTS_MAX {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(PLOT_POINTS_MAX / 2);
    let mut kept = Vec::with_capacity(PLOT_POINTS_MAX);
    for points in points.chunks(stretch) {
        let lowest = points.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let highest = points.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let (Some(lowest), Some(highest)) = (lowest, highest) else { continue };
        let (before, after) = if lowest.0 <= highest.0 { (lowest, highest) } else { (highest, lowest) };
        kept.extend([*before, *after]);
    }
    kept
}

/// Counts in bars of equal width over the axis; as many bars as the square root of the count suggests.
fn bars(sorted_ms: &[f64], x: &Axis) -> Vec<u64> {
    let wanted = (sorted_ms.len() as f64).sqrt().ceil() as usize * 2;
    let mut bars = vec![0; wanted.clamp(PLOT_BARS_MAX / 6, PLOT_BARS_MAX)];
    let last = bars.len() - 1;
    for value in sorted_ms {
        let index = (x.share(*value) * bars.len() as f64) as usize;
        if let Some(bar) = bars.get_mut(index.min(last)) {
            *bar += 1;
        }
    }
    bars
}

#[cfg(test)]
mod tests;
