//! Metrics as text: OpenMetrics 1.0, or the older Prometheus text format 0.0.4, as the `Accept` header wishes.
//!
//! In: rows of counters and gauges. Out: text. prometheus-client writes OpenMetrics; 0.0.4 differs in the metadata
//! lines alone: a counter's family carries `_total`, there is no `UNIT` and no `EOF`, and `unknown` is `untyped`.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::counters::{Row, RowKind};

/// What `/metrics` shows, asked at each scrape.
pub trait Measured: Send + Sync + 'static {
    /// Counters and gauges of the rendezvous; those called `refused_…` become one family with the label `reason`.
    fn rows(&self) -> Vec<Row>;

    /// Numbers of the overlay beneath, by name; whether they only grow is not known here.
    fn meters(&self) -> Vec<(&'static str, u64)>;

    /// When the process started, seconds of Unix time.
    fn started_s(&self) -> f64;

    /// For how long the process runs, seconds.
    fn uptime_s(&self) -> f64;
}

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

    /// The metrics as they are now.
    ///
    /// # Errors
    /// When a metric can't be written as text.
    pub fn encode(self, measured: Arc<dyn Measured>) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape(measured)));
        let mut open = String::new();
        text::encode(&mut open, &registry)?;
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
            _ => out.extend([line, "\n"]),
        }
    }
    out
}

/// One scrape: reads everything when it is encoded.
struct Scrape(Arc<dyn Measured>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let rows = self.0.rows();
        let (refused, plain): (Vec<&Row>, Vec<&Row>) =
            rows.iter().partition(|row: &&Row| row.name.starts_with(REFUSED));
        for row in plain {
            let name = format!("juxta_rendezvous_{}", row.name);
            match row.kind {
                RowKind::Counter => one(&mut encoder, &name, row.help, &ConstCounter::new(row.value))?,
                RowKind::Gauge => one(&mut encoder, &name, row.help, &gauge(row.value))?,
            }
        }
        let help = "Requests and advertisements refused, by reason";
        let mut family =
            encoder.encode_descriptor("juxta_rendezvous_refused", help, None, MetricType::Counter)?;
        for row in refused {
            let reason = row.name.trim_start_matches(REFUSED);
            ConstCounter::new(row.value).encode(family.encode_family(&[("reason", reason)])?)?;
        }
        for (name, value) in self.0.meters() {
            let name = format!("juxta_overlay_{name}");
            let encoder =
                encoder.encode_descriptor(&name, "A meter of the overlay", None, MetricType::Unknown)?;
            gauge(value).encode(encoder)?;
        }
        let started = ConstGauge::new(self.0.started_s());
        one(
            &mut encoder,
            "process_start_time_seconds",
            "Start of the process, seconds of Unix time",
            &started,
        )?;
        let uptime = ConstGauge::new(self.0.uptime_s());
        one(&mut encoder, "juxta_uptime_seconds", "For how long the process runs, seconds", &uptime)
    }
}

fn one(encoder: &mut DescriptorEncoder, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn gauge(value: u64) -> ConstGauge<u64> {
    ConstGauge::new(value)
}

const REFUSED: &str = "refused_";
