//! Metrics as text: OpenMetrics 1.0, or the older Prometheus text format 0.0.4, as the `Accept` header wishes.
//!
//! In: a registry. Out: text. prometheus-client writes OpenMetrics; in 0.0.4 a counter's family carries `_total`, there
//! is no `UNIT`, no `EOF` and no exemplar, and `unknown` is `untyped`.

use std::collections::HashSet;
use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus text format 0.0.4, the default.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// The format that an `Accept` header wishes most; without any wish that can be met, [`Self::Prometheus`].
    #[must_use]
    pub fn accepted_by(accept: &str) -> Self {
        let quality =
            |media: &str| accept.split(',').filter_map(|range| weighed(range, media)).fold(0.0_f32, f32::max);
        let open = quality("application/openmetrics-text");
        if open > 0.0 && open >= quality("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `Content-Type` of the format.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The metrics of `registry` as they are now.
    ///
    /// # Errors
    /// When a metric can't be written as text.
    pub fn encode(self, registry: &Registry) -> Result<String, fmt::Error> {
        let mut open = String::new();
        text::encode(&mut open, registry)?;
        Ok(match self {
            Self::OpenMetrics => open,
            Self::Prometheus => in_version_0_0_4(&open),
        })
    }
}

/// How much `range` of an `Accept` header wishes `media`; nothing when it names another.
fn weighed(range: &str, media: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(media) {
        return None;
    }
    let quality = parts.find_map(|part| part.strip_prefix("q="));
    Some(quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)))
}

fn in_version_0_0_4(open: &str) -> String {
    let counter = |line: &'_ str| line.strip_prefix("# TYPE ")?.strip_suffix(" counter").map(str::to_owned);
    let counters: HashSet<String> = open.lines().filter_map(counter).collect();
    let mut out = String::with_capacity(open.len());
    for line in open.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(word @ ("HELP" | "TYPE")), Some(family), Some(rest)) => {
                let total = if counters.contains(family) { "_total" } else { "" };
                let rest = if word == "TYPE" && rest == "unknown" { "untyped" } else { rest };
                out.extend(["# ", word, " ", family, total, " ", rest, "\n"]);
            }
            (Some("#"), ..) => {}
            // An exemplar follows its sample; our label values hold no such mark.
            _ => out.extend([line.split(" # {").next().unwrap_or(line), "\n"]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_header_is_weighed() {
        use Exposition::{OpenMetrics, Prometheus};
        for (accept, format) in [
            ("", Prometheus),
            ("*/*", Prometheus),
            ("text/plain", Prometheus),
            ("application/openmetrics-text", OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0", OpenMetrics),
            ("application/openmetrics-text;q=0.2, text/plain;q=0.8", Prometheus),
            ("application/openmetrics-text;q=0", Prometheus),
            ("application/openmetrics-text;q=much", Prometheus),
            (";;,,q=", Prometheus),
        ] {
            assert_eq!(Exposition::accepted_by(accept), format, "{accept}");
        }
    }
}
