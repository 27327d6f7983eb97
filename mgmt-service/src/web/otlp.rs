//! Records as OpenTelemetry's messages: a span for each, and cumulative metrics by transaction.
//!
//! In: records. Out: the protobuf messages that a collector takes by OTLP over HTTP. Peers stand under pseudonyms. One
//! exponential histogram and one count of failures for each of `METRIC_TRANSACTIONS_MAX` transactions.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, status};

use super::labels::Labels;
use super::pseudonym::Pseudonyms;
use crate::arm::{self, Correlator, Details, MetricValue, TraceId, TypedValue};

/// What is told to a collector.
#[derive(Debug)]
pub struct Otlp {
    instance: String,
    pseudonyms: Pseudonyms,
    started_ns: u64,
    labels: Labels,
    tallies: BTreeMap<String, Tally>,
}

/// One transaction's response times and failures since the start.
#[derive(Debug, Default)]
struct Tally {
    response: arm::Sketch,
    failed: u64,
}

impl Otlp {
    /// Nothing counted yet, for the manager `instance` that started at `started_ms`, milliseconds since 1970.
    #[must_use]
    pub fn new(instance: String, pseudonyms: Pseudonyms, started_ms: u64) -> Self {
        let started_ns = nanos(started_ms, 0);
        Self { instance, pseudonyms, started_ns, labels: Labels::default(), tallies: BTreeMap::new() }
    }

    /// Counts a record for the metrics and gives its span.
    pub fn record(&mut self, record: &arm::ArmRecord) -> Span {
        let transaction = self.labels.of(&record.transaction);
        let tally = self.tallies.entry(transaction.clone()).or_default();
        match (record.status, record.response_us) {
            (arm::Status::Good, Some(us)) => {
                tally.response.record_many(Duration::from_micros(us), record.weight());
            }
            (arm::Status::Failed, _) => tally.failed += record.weight(),
            _ => {}
        }
        self.span(transaction, record)
    }

    fn span(&self, transaction: String, record: &arm::ArmRecord) -> Span {
        let parent = record.details.parent;
        let own = || TraceId::of(&record.peer, record.correlator);
        let trace = parent.map_or_else(own, |parent| parent.trace);
        let id = |correlator: Correlator| correlator.0.to_be_bytes().to_vec();
        let mut attributes = vec![
            text("juxta.peer", self.pseudonyms.of(&record.peer)),
            text("juxta.dest", self.pseudonyms.of(&record.dest)),
            text("juxta.correlator", record.correlator.to_string()),
        ];
        attributes.extend(record.hold_us.map(|us| number("juxta.hold_us", us)));
        for (name, value) in [
            ("juxta.path", record.path.as_str()),
            ("juxta.dest_status", record.dest_status.as_str()),
            ("error.type", record.reason.as_str()),
        ] {
            attributes.extend((!value.is_empty()).then(|| text(name, value.to_owned())));
        }
        let Details { blocked_us, values, .. } = &record.details;
        attributes.extend((*blocked_us > 0).then(|| number("juxta.blocked_us", *blocked_us)));
        attributes.extend((record.weight() > 1).then(|| number("juxta.weight", record.weight())));
        attributes.extend(values.iter().flat_map(|values| values.iter()).map(typed));
        let (code, message) = match record.status {
            arm::Status::Good => (status::StatusCode::Ok, String::new()),
            arm::Status::Unknown => (status::StatusCode::Unset, String::new()),
            arm::Status::Failed | arm::Status::Aborted => {
                (status::StatusCode::Error, record.reason.as_str().to_owned())
            }
        };
        Span {
            trace_id: trace.to_bytes().to_vec(),
            span_id: id(record.correlator),
            parent_span_id: parent.map(|parent| id(parent.span)).unwrap_or_default(),
            name: transaction,
            kind: SpanKind::Client.into(),
            start_time_unix_nano: nanos(record.at_ms, 0),
            end_time_unix_nano: nanos(record.at_ms, record.response_us.unwrap_or(0)),
            attributes,
            status: Some(Status { message, code: code.into() }),
            ..Span::default()
        }
    }

    /// The message that carries spans.
    #[must_use]
    pub fn traces(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource());
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
        }
    }

    /// The message that carries the metrics as they are at `now_ms`.
    #[must_use]
    pub fn metrics(&self, now_ms: u64) -> ExportMetricsServiceRequest {
        let time_unix_nano = nanos(now_ms, 0);
        let start_time_unix_nano = self.started_ns;
        let attributes = |transaction: &String| vec![text("juxta.transaction", transaction.clone())];
        let histograms = self.tallies.iter().map(|(transaction, tally)| ExponentialHistogramDataPoint {
            attributes: attributes(transaction),
            start_time_unix_nano,
            time_unix_nano,
            ..point(&tally.response)
        });
        let failures = self.tallies.iter().map(|(transaction, tally)| NumberDataPoint {
            attributes: attributes(transaction),
            start_time_unix_nano,
            time_unix_nano,
            value: Some(number_data_point::Value::AsInt(i64::try_from(tally.failed).unwrap_or(i64::MAX))),
            ..NumberDataPoint::default()
        });
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        let response = ExponentialHistogram { data_points: histograms.collect(), aggregation_temporality };
        let failed = Sum { data_points: failures.collect(), aggregation_temporality, is_monotonic: true };
        let metrics = vec![
            described("juxta.transaction.response", "s", metric::Data::ExponentialHistogram(response)),
            described("juxta.transaction.failures", "{transaction}", metric::Data::Sum(failed)),
        ];
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.resource());
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }],
        }
    }

    fn resource(&self) -> Resource {
        let attributes = vec![
            text("service.name", "juxta-mgmt".to_owned()),
            text("service.version", env!("CARGO_PKG_VERSION").to_owned()),
            text("service.instance.id", self.instance.clone()),
        ];
        Resource { attributes, ..Resource::default() }
    }
}

/// A sketch has the very buckets of OpenTelemetry, in seconds.
fn point(sketch: &arm::Sketch) -> ExponentialHistogramDataPoint {
    let (offset, counts) = sketch.buckets();
    ExponentialHistogramDataPoint {
        count: sketch.count(),
        sum: Some(sketch.sum().as_secs_f64()),
        scale: arm::Sketch::SCALE,
        zero_count: sketch.zeros(),
        positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn described(name: &str, unit: &str, data: metric::Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "juxta".to_owned(), ..InstrumentationScope::default() }
}

fn text(key: &str, value: String) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value))
}

fn number(key: &str, value: u64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

/// A typed value; its name comes from an agent, so it stands behind a prefix of ours.
fn typed(typed: &TypedValue) -> KeyValue {
    let key = format!("juxta.value.{}", typed.definition.name);
    match &typed.value {
        MetricValue::Counter(value) | MetricValue::NumericId(value) => number(&key, *value),
        MetricValue::Gauge(value) => attribute(&key, any_value::Value::IntValue(*value)),
        MetricValue::Text(value) => text(&key, value.to_string()),
    }
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Nanoseconds since 1970; what a lying clock says stays at the end of time.
fn nanos(at_ms: u64, later_us: u64) -> u64 {
    at_ms.saturating_mul(1_000_000).saturating_add(later_us.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use overlay::PeerId;

    use super::*;
    use crate::arm::{ArmRecord, Parent, ValueDefinition, ValueKind};

    #[test]
    fn a_part_hangs_under_its_whole_with_its_values() {
        let mut otlp = Otlp::new("manager".into(), Pseudonyms::new([7; 32]), 0);
        let whole = ArmRecord { correlator: Correlator(7), ..ArmRecord::empty(PeerId::random()) };
        let parent = Parent { trace: TraceId::of(&whole.peer, whole.correlator), span: whole.correlator };
        let definition = Arc::new(ValueDefinition::new("sent", "By", ValueKind::Counter));
        let values = [TypedValue { definition, value: MetricValue::Counter(9) }];
        let details =
            Details { parent: Some(parent), blocked_us: 5, values: Some(Arc::from(values)), folded: 0 };
        let part = ArmRecord { correlator: Correlator(8), details, ..whole.clone() };
        let [whole, part] = [whole, part].map(|record| otlp.record(&record));
        assert_eq!((&part.trace_id, &part.parent_span_id), (&whole.trace_id, &whole.span_id));
        assert!(whole.parent_span_id.is_empty() && whole.span_id != part.span_id);
        let told = [number("juxta.blocked_us", 5), number("juxta.value.sent", 9)];
        assert!(told.iter().all(|attribute| part.attributes.contains(attribute)));
    }
}
