//! A receiver of its own takes what is pushed and decodes it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use overlay::PeerId;
use tokio::net::TcpListener;

use super::*;
use crate::arm::{Reason, Status};
use crate::web::Pseudonyms;

/// What a receiver was sent; it answers the first pushes with `busy`.
#[derive(Default)]
struct Receiver {
    busy: Mutex<Vec<StatusCode>>,
    /// Spans that it says it rejects.
    rejected: AtomicU64,
    traces: Mutex<Vec<ExportTraceServiceRequest>>,
    metrics: Mutex<Vec<ExportMetricsServiceRequest>>,
}

async fn receiver(busy: &[StatusCode]) -> (Arc<Receiver>, OtlpUrl) {
    let receiver = Arc::new(Receiver { busy: Mutex::new(busy.to_vec()), ..Receiver::default() });
    let (traces, metrics) = (receiver.clone(), receiver.clone());
    let take_traces = move |headers: HeaderMap, body: Bytes| async move {
        if let Some(status) = traces.busy.lock().unwrap().pop() {
            return (status, Vec::new());
        }
        assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
        traces.traces.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
        let rejected_spans = i64::try_from(traces.rejected.load(Ordering::Relaxed)).unwrap();
        let partial = ExportTracePartialSuccess { rejected_spans, error_message: String::new() };
        (StatusCode::OK, ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec())
    };
    let take_metrics = move |body: Bytes| async move {
        metrics.metrics.lock().unwrap().push(ExportMetricsServiceRequest::decode(body).unwrap());
    };
    let router =
        Router::new().route("/in/v1/traces", post(take_traces)).route("/in/v1/metrics", post(take_metrics));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (receiver, url)
}

fn ping(response_us: Option<u64>) -> ArmRecord {
    let (status, reason) = match response_us {
        Some(_) => (Status::Good, Reason::None),
        None => (Status::Failed, Reason::Timeout),
    };
    let (transaction, at_ms) = ("presence.ping".into(), 1_800_000_000_000);
    ArmRecord { at_ms, transaction, status, reason, response_us, ..ArmRecord::empty(PeerId::random()) }
}

fn otlp() -> Otlp {
    Otlp::new("manager".into(), Pseudonyms::new([7; 32]), 1_800_000_000_000)
}

/// The number that a push counts under `name`.
fn counted(push: &OtlpPush, name: &str) -> u64 {
    push.counters()().into_iter().find(|(known, _)| *known == name).unwrap().1
}

#[tokio::test]
async fn an_independent_receiver_decodes_spans_and_metrics_after_a_busy_spell() {
    let (receiver, url) = receiver(&[StatusCode::SERVICE_UNAVAILABLE]).await;
    let push = OtlpPush::start(url, otlp());
    let feed = push.feeder();
    let (answered, lost) = (ping(Some(1500)), ping(None));
    [&answered, &lost].into_iter().for_each(&feed);
    timeout(PATIENCE, async {
        while receiver.metrics.lock().unwrap().is_empty() || counted(&push, "otlp_spans") < 2 {
            tokio::task::yield_now().await;
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    // Another one fails when the machine stands still.
    assert_eq!(counted(&push, "otlp_dropped"), 0);
    assert!(counted(&push, "otlp_failed_tries") >= 1);
    push.shutdown().await;

    let traces = receiver.traces.lock().unwrap();
    let spans = &traces[0].resource_spans[0].scope_spans[0].spans;
    assert_eq!((spans.len(), spans[0].name.as_str()), (2, "presence.ping"));
    assert_eq!((spans[0].trace_id.len(), spans[0].span_id.len()), (16, 8));
    assert_eq!(spans[0].end_time_unix_nano - spans[0].start_time_unix_nano, 1_500_000);
    assert_eq!(spans[1].status.as_ref().unwrap().message, "timeout");
    let shown = format!("{traces:?}");
    assert!(!shown.contains(&answered.peer.to_string()) && shown.contains("p-"), "pseudonyms alone");

    let metrics = receiver.metrics.lock().unwrap();
    let metrics = &metrics.last().unwrap().resource_metrics[0].scope_metrics[0].metrics;
    let Some(Data::ExponentialHistogram(response)) = &metrics[0].data else { panic!("{metrics:?}") };
    let point = &response.data_points[0];
    let buckets = point.positive.as_ref().unwrap();
    assert_eq!((point.count, point.zero_count, buckets.bucket_counts.as_slice()), (1, 0, [1].as_slice()));
    let edge_s = |bucket: i32| (f64::from(bucket) / f64::from(point.scale).exp2()).exp2();
    assert!(edge_s(buckets.offset) < 0.0015 && 0.0015 <= edge_s(buckets.offset + 1), "{point:?}");
    assert!((point.sum.unwrap() - 0.0015).abs() < 1e-9);
}

#[tokio::test]
async fn what_a_collector_refuses_for_good_is_dropped_and_counted() {
    let (receiver, url) = receiver(&[StatusCode::BAD_REQUEST]).await;
    let push = OtlpPush::start(url, otlp());
    push.feeder()(&ping(Some(1)));
    let counters = push.counters();
    push.shutdown_within(PATIENCE).await;
    let dropped = counters().into_iter().find(|(name, _)| *name == "otlp_dropped").unwrap().1;
    assert_eq!((dropped, receiver.traces.lock().unwrap().len()), (1, 0));
}

#[tokio::test]
async fn spans_that_a_collector_rejects_from_what_it_takes_are_counted_as_dropped() {
    let (receiver, url) = receiver(&[]).await;
    receiver.rejected.store(1, Ordering::Relaxed);
    let push = OtlpPush::start(url, otlp());
    let feed = push.feeder();
    (0..3).for_each(|_| feed(&ping(Some(1))));
    let counters = push.counters();
    push.shutdown_within(PATIENCE).await;
    assert_eq!(counters()[..2], [("otlp_spans", 2), ("otlp_dropped", 1)]);
}

#[tokio::test]
async fn spans_on_their_way_at_the_end_go_out_again() {
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", slow.local_addr().unwrap()).parse().unwrap();
    let push = OtlpPush::start(url, otlp());
    push.feeder()(&ping(Some(1)));
    let counters = push.counters();
    // The first connection is never answered, the next one is at once.
    let _held = slow.accept().await.unwrap();
    tokio::spawn(async move { axum::serve(slow, Router::new().fallback(|| async {})).await });
    push.shutdown_within(PATIENCE).await;
    assert_eq!(counters()[..2], [("otlp_spans", 1), ("otlp_dropped", 0)]);
}

/// Ends a push whose collector says nothing; how long that takes.
async fn end_without_a_collector() -> Duration {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
    let push = OtlpPush::start(url, otlp());
    let feed = push.feeder();
    for _ in 0..OTLP_QUEUE_MAX + 10 {
        feed(&ping(Some(1)));
    }
    assert!(counted(&push, "otlp_dropped") >= 10);
    // Some spans are on their way when it ends.
    let _held = timeout(PATIENCE, silent.accept()).await.unwrap().unwrap();
    let counters = push.counters();
    let begun = Instant::now();
    push.shutdown().await;
    assert_eq!(counters()[..2], [("otlp_spans", 0), ("otlp_dropped", OTLP_QUEUE_MAX as u64 + 10)]);
    begun.elapsed()
}

#[tokio::test]
async fn without_a_collector_the_queue_stays_bounded_and_the_end_is_quick() {
    // Unless the machine stands still just then.
    for _ in 0..5 {
        if end_without_a_collector().await < OTLP_FAREWELL_MAX * 3 {
            return;
        }
    }
    panic!("the end is not quick");
}

/// Far more than all of it takes, and less than a push is tried.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn only_plain_http_without_a_user_is_a_place_to_push_to() {
    let url: OtlpUrl = "http://127.0.0.1:4318".parse().unwrap();
    assert_eq!((url.authority.as_str(), url.base.as_str()), ("127.0.0.1:4318", ""));
    assert_eq!("http://[::1]/otel/".parse::<OtlpUrl>().unwrap().base, "/otel");
    for wrong in ["", "https://x:4318", "127.0.0.1:4318", "http://", "http://a@b:1", "http://x?y"] {
        assert_eq!(wrong.parse::<OtlpUrl>(), Err(OtlpUrlError), "{wrong}");
    }
}
