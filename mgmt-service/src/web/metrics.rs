//! What a manager tells Prometheus: response times as histograms by transaction, failures by reason, completeness.
//!
//! In: records, gauges at each scrape. Out: text. No label names a peer: a hundred thousand peers would be ten million
//! series. Labels come from `METRIC_TRANSACTIONS_MAX` transactions, fixed statuses and reasons.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::{Registry, Unit};

use super::exposition::Exposition;
use super::labels::Labels;
use crate::arm::{ArmRecord, Status};

/// Counts records for Prometheus.
#[derive(Debug)]
pub struct Metrics {
    labels: Labels,
    response: Family<
        ByTransaction,
        HistogramWithExemplars<OfTransaction>,
        fn() -> HistogramWithExemplars<OfTransaction>,
    >,
    ended: Family<ByEnd, Counter>,
}

/// What is read at each scrape.
#[derive(Debug, Clone, Default)]
pub struct ManagerGauges {
    /// Agents known.
    pub agents_expected: u64,
    /// Agents that sent a record of late.
    pub agents_reporting: u64,
    /// Pairs of peers in the latency matrix.
    pub pairs: u64,
    /// Numbers of the collection, each with its name; those that go up and down.
    pub levels: Vec<(&'static str, u64)>,
    /// The same; those that only grow.
    pub counted: Vec<(&'static str, u64)>,
    /// Numbers of the overlay beneath, by name; whether they only grow is not known here.
    pub meters: Vec<(&'static str, u64)>,
    /// Start of the process, seconds of Unix time.
    pub started_s: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTransaction {
    transaction: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByEnd {
    transaction: String,
    status: &'static str,
    reason: &'static str,
}

/// The label of an exemplar: which transaction it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTransaction {
    correlator: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            labels: Labels::default(),
            response: Family::new_with_constructor(response_histogram),
            ended: Family::default(),
        }
    }

    /// Counts a record, as often as its weight says.
    pub fn record(&mut self, record: &ArmRecord) {
        let transaction = self.labels.of(&record.transaction);
        let (status, reason) = (record.status.as_str(), record.reason.as_str());
        self.ended
            .get_or_create(&ByEnd { transaction: transaction.clone(), status, reason })
            .inc_by(record.weight());
        if let (Status::Good, Some(us)) = (record.status, record.response_us) {
            let exemplar = OfTransaction { correlator: record.correlator.to_string() };
            // A clock that lies can't be told as a time to Prometheus, which then takes the time of the scrape.
            let at = UNIX_EPOCH
                .checked_add(Duration::from_millis(record.at_ms))
                .filter(|_| record.at_ms < AT_MS_MAX);
            let labels = ByTransaction { transaction };
            let (response, seconds) = (self.response.get_or_create(&labels), us as f64 / 1e6);
            // The library counts one at a time; a weight is bounded.
            (1..record.weight()).for_each(|_| response.observe(seconds, None, None));
            response.observe(seconds, Some(exemplar), at);
        }
    }

    /// The text of a scrape.
    ///
    /// # Errors
    /// When a metric can't be written as text.
    pub fn encode(&self, exposition: Exposition, gauges: ManagerGauges) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_with_unit(
            "juxta_transaction_response",
            "Time from the start of a transaction to its answer",
            Unit::Seconds,
            self.response.clone(),
        );
        registry.register(
            "juxta_transactions",
            "Ended transactions, by status and reason",
            self.ended.clone(),
        );
        registry.register_collector(Box::new(gauges));
        exposition.encode(&registry)
    }
}

/// From a tenth of a millisecond to about 26 s, each bound twice the one before: a LAN has its detail, the paper's
/// 850 ms lie well inside.
fn response_histogram() -> HistogramWithExemplars<OfTransaction> {
    HistogramWithExemplars::new(exponential_buckets(0.0001, 2.0, 19))
}

impl Collector for ManagerGauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let gauges = [
            ("juxta_mgmt_agents_expected", "Agents known to this manager", self.agents_expected),
            (
                "juxta_mgmt_agents_reporting",
                "Agents that were heard within --silent-after, or a minute more while they gather, or are reached and measured nothing yet",
                self.agents_reporting,
            ),
            ("juxta_mgmt_pairs", "Pairs of peers in the latency matrix", self.pairs),
        ];
        for (name, help, value) in gauges {
            one(&mut encoder, name, help, &ConstGauge::new(value))?;
        }
        let help = "Counted by the manager's collection, as its documentation says";
        for (name, value) in &self.levels {
            one(&mut encoder, &format!("juxta_mgmt_{name}"), help, &ConstGauge::new(*value))?;
        }
        for (name, value) in &self.counted {
            one(&mut encoder, &format!("juxta_mgmt_{name}"), help, &ConstCounter::new(*value))?;
        }
        for (name, value) in &self.meters {
            let name = format!("juxta_overlay_{name}");
            let meter = encoder.encode_descriptor(
                &name,
                "A meter of the manager's overlay",
                None,
                MetricType::Unknown,
            )?;
            ConstGauge::new(*value).encode(meter)?;
        }
        let started = ConstGauge::new(self.started_s);
        one(
            &mut encoder,
            "process_start_time_seconds",
            "Start of the process, seconds of Unix time",
            &started,
        )
    }
}

fn one(encoder: &mut DescriptorEncoder, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// The year 2200; an exemplar's time beyond is none.
const AT_MS_MAX: u64 = 7_258_118_400_000;

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;
    use crate::arm::Reason;
    use crate::limits::METRIC_TRANSACTIONS_MAX;

    fn ping(response_us: Option<u64>) -> ArmRecord {
        let (status, reason) = match response_us {
            Some(_) => (Status::Good, Reason::None),
            None => (Status::Failed, Reason::Timeout),
        };
        let transaction = "presence.ping".into();
        ArmRecord { transaction, status, reason, response_us, ..ArmRecord::empty(PeerId::random()) }
    }

    #[test]
    fn response_times_are_a_histogram_in_seconds_without_peers() {
        let mut metrics = Metrics::new();
        let records = [ping(Some(1500)), ping(Some(900_000)), ping(None)];
        records.iter().for_each(|record| metrics.record(record));
        let gauges = ManagerGauges {
            levels: vec![("agents_beyond", 3)],
            counted: vec![("batches", 7)],
            meters: vec![("opens", 1)],
            ..Default::default()
        };
        let text = metrics.encode(Exposition::Prometheus, gauges.clone()).unwrap();
        for line in [
            "# TYPE juxta_transaction_response_seconds histogram",
            "juxta_transaction_response_seconds_count{transaction=\"presence.ping\"} 2",
            "juxta_transactions_total{transaction=\"presence.ping\",status=\"failed\",reason=\"timeout\"} 1",
            "juxta_mgmt_batches_total 7",
            "# TYPE juxta_mgmt_agents_beyond gauge",
            "juxta_mgmt_agents_beyond 3",
            "# TYPE juxta_overlay_opens untyped",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(!text.contains(" # {") && !text.contains("12D3"), "{text}");
        let open = metrics.encode(Exposition::OpenMetrics, gauges).unwrap();
        assert!(open.contains("# {correlator=\"") && open.ends_with("# EOF\n"), "{open}");
    }

    #[test]
    fn names_that_agents_make_up_do_not_become_series_without_end() {
        let mut metrics = Metrics::new();
        for n in 0..METRIC_TRANSACTIONS_MAX + 5 {
            metrics.record(&ArmRecord { transaction: format!("made.up.{n}").into(), ..ping(Some(1)) });
        }
        metrics.record(&ArmRecord { transaction: "evil\"} 1\n".into(), ..ping(Some(1)) });
        let text = metrics.encode(Exposition::Prometheus, ManagerGauges::default()).unwrap();
        let series = text.lines().filter(|line| line.starts_with("juxta_transactions_total")).count();
        assert_eq!(series, METRIC_TRANSACTIONS_MAX + 1);
        assert!(text.contains("transaction=\"other\"") && !text.contains("evil"));
    }
}
