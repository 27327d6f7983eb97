//! What `/metrics` shows: rows of counters and gauges in, text out.

use std::fmt;
use std::sync::Arc;

use mgmt_service::web::Exposition;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
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

/// The metrics as they are now.
///
/// # Errors
/// When a metric can't be written as text.
pub(super) fn encode(exposition: Exposition, measured: Arc<dyn Measured>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(measured)));
    exposition.encode(&registry)
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
