//! Others measuring the same exchange: who was asked, its status, the path, the correlator, and how long it took.
//! Each hands its records to somebody who takes and drops them, outside of the time that is measured.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use overlay::PeerId;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::per_one;

/// Spans of the OpenTelemetry SDK with its batch processor.
pub(crate) struct OpenTelemetry {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    dest: Arc<str>,
}

#[derive(Debug)]
struct Discard;

impl SpanExporter for Discard {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

impl OpenTelemetry {
    pub(crate) fn new() -> Self {
        let provider = SdkTracerProvider::builder().with_batch_exporter(Discard).build();
        let tracer = provider.tracer("bench");
        Self { provider, tracer, dest: PeerId::random().to_string().into() }
    }

    pub(crate) fn exchanges(&self, number: u32) -> f64 {
        let start = Instant::now();
        for corr in 0..number {
            let attributes = [
                KeyValue::new("dest", Arc::clone(&self.dest)),
                KeyValue::new("path", "direct"),
                KeyValue::new("corr", i64::from(corr)),
            ];
            let builder = self
                .tracer
                .span_builder("bench.exchange")
                .with_kind(SpanKind::Client)
                .with_attributes(attributes);
            let mut span = self.tracer.build(builder);
            span.set_attribute(KeyValue::new("dest_status", "online"));
            span.set_status(Status::Ok);
            span.end();
        }
        let elapsed = per_one(start, number);
        self.provider.force_flush().unwrap();
        elapsed
    }
}

/// Spans of `tracing`, timed and taken by a layer.
pub(crate) struct Tracing {
    dispatch: Dispatch,
    taken: Arc<Mutex<Vec<Timed>>>,
    dest: PeerId,
}

/// A span that has ended, as a layer of ours would keep it.
#[derive(Default)]
struct Timed {
    fields: [Option<u64>; 4],
    nanos: u128,
}

struct Timing {
    taken: Arc<Mutex<Vec<Timed>>>,
}

struct Began {
    at: Instant,
    timed: Timed,
}

impl Visit for Timed {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields[field.index()] = Some(value);
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Timing {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut timed = Timed::default();
        attributes.record(&mut timed);
        context.span(id).unwrap().extensions_mut().insert(Began { at: Instant::now(), timed });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let began: Began = context.span(&id).unwrap().extensions_mut().remove().unwrap();
        let timed = Timed { nanos: began.at.elapsed().as_nanos(), ..began.timed };
        self.taken.lock().unwrap().push(timed);
    }
}

impl Tracing {
    pub(crate) fn new() -> Self {
        let taken = Arc::new(Mutex::new(Vec::with_capacity(4096)));
        let dispatch = Dispatch::new(Registry::default().with(Timing { taken: Arc::clone(&taken) }));
        Self { dispatch, taken, dest: PeerId::random() }
    }

    pub(crate) fn exchanges(&self, number: u32) -> f64 {
        // The peer as a number, which is more than fair: its text would cost more than the span.
        let dest = u64::from(self.dest.to_bytes()[9]);
        tracing::dispatcher::with_default(&self.dispatch, || {
            let start = Instant::now();
            for corr in 0..number {
                drop(tracing::info_span!("exchange", dest, path = 1_u64, corr, dest_status = 1_u64));
            }
            let elapsed = per_one(start, number);
            let mut taken = self.taken.lock().unwrap();
            assert!(taken.iter().all(|timed| timed.nanos > 0 && timed.fields[0] == Some(dest)));
            taken.clear();
            elapsed
        })
    }
}

/// The histogram of `metrics` and its Prometheus recorder.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    dest: String,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self { recorder: PrometheusBuilder::new().build_recorder(), dest: PeerId::random().to_string() }
    }

    pub(crate) fn exchanges(&self, number: u32) -> f64 {
        metrics::with_local_recorder(&self.recorder, || {
            let start = Instant::now();
            for _ in 0..number {
                let began = Instant::now();
                metrics::histogram!("exchange_seconds", "dest" => self.dest.clone(), "status" => "good")
                    .record(began.elapsed());
            }
            let elapsed = per_one(start, number);
            self.recorder.handle().run_upkeep();
            elapsed
        })
    }
}
