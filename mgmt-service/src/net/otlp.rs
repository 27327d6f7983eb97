//! Pushing to an OpenTelemetry collector: OTLP over HTTP with protobuf, retried with growing pauses.
//!
//! In: records. Out: `POST /v1/traces` and `/v1/metrics`. The queue holds `OTLP_QUEUE_MAX` records; whoever records never
//! waits: what does not fit, or can't be delivered within `OTLP_RETRY_MAX`, is dropped and counted. Plain HTTP alone: a
//! collector elsewhere is reached through one on this machine, which has the keys.

mod client;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::Uri;
use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use self::client::{Answer, post};
use crate::arm::ArmRecord;
use crate::limits::{
    OTLP_FAREWELL_MAX, OTLP_PERIOD, OTLP_QUEUE_MAX, OTLP_RETRY_MAX, OTLP_RETRY_PAUSE_MAX,
    OTLP_RETRY_PAUSE_MIN, OTLP_SPANS_MAX,
};
use crate::web::Otlp;

/// Where a collector listens: `http://HOST:PORT`, with a path in front of `/v1/…` or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpUrl {
    /// Host and port, as in the `Host` header.
    authority: String,
    /// The path in front, without the last slash.
    base: String,
}

/// Why a text is not where a collector listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be http://HOST:PORT, as http://127.0.0.1:4318; for https use a collector on this machine")]
pub struct OtlpUrlError;

/// A running push. Dropping it ends it at once; [`Self::shutdown`] pushes the rest first.
#[derive(Debug)]
pub struct OtlpPush {
    records: mpsc::Sender<ArmRecord>,
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counters {
    spans: AtomicU64,
    dropped: AtomicU64,
    failed_tries: AtomicU64,
}

impl FromStr for OtlpUrl {
    type Err = OtlpUrlError;

    fn from_str(text: &str) -> Result<Self, OtlpUrlError> {
        let uri: Uri = text.parse().map_err(|_| OtlpUrlError)?;
        let authority = uri.authority().ok_or(OtlpUrlError)?;
        if uri.scheme_str() != Some("http") || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(OtlpUrlError);
        }
        let port = authority.port_u16().unwrap_or(80);
        let authority = format!("{}:{port}", authority.host());
        Ok(Self { authority, base: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl OtlpPush {
    /// Starts to push to `url`; needs a tokio runtime.
    #[must_use]
    pub fn start(url: OtlpUrl, otlp: Otlp) -> Self {
        let (records, queue) = mpsc::channel(OTLP_QUEUE_MAX);
        let (stop, stopped) = oneshot::channel();
        let counters = Arc::new(Counters::default());
        let pusher = Pusher { url, otlp, queue, unsettled: None, counters: counters.clone() };
        Self { records, counters, stop: Some(stop), task: tokio::spawn(pusher.run(stopped)) }
    }

    /// What takes records; never waits. A record beyond the bound is dropped and counted.
    pub fn feeder(&self) -> impl Fn(&ArmRecord) + Send + Sync + use<> {
        let (records, counters) = (self.records.clone(), self.counters.clone());
        move |record| {
            if records.try_send(record.clone()).is_err() {
                counters.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What is counted, by name: spans delivered, records dropped, tries that failed.
    pub fn counters(&self) -> impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + use<> {
        let counters = self.counters.clone();
        move || {
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            vec![
                ("otlp_spans", read(&counters.spans)),
                ("otlp_dropped", read(&counters.dropped)),
                ("otlp_failed_tries", read(&counters.failed_tries)),
            ]
        }
    }

    /// Pushes what waits, within `OTLP_FAREWELL_MAX`, and ends.
    ///
    /// # Cancel safety
    /// Dropped before its end, it ends the push at once.
    pub async fn shutdown(self) {
        self.shutdown_within(OTLP_FAREWELL_MAX).await;
    }

    /// As [`Self::shutdown`], within another time than `OTLP_FAREWELL_MAX`.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn shutdown_within(mut self, within: Duration) {
        if let Some(stop) = self.stop.take() {
            // The task may have ended already, which is what is wanted.
            let _ = stop.send(());
        }
        if timeout(within, &mut self.task).await.is_err() {
            // What is left is counted once the task has ended.
            self.task.abort();
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for OtlpPush {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The pushing task.
struct Pusher {
    url: OtlpUrl,
    otlp: Otlp,
    queue: mpsc::Receiver<ArmRecord>,
    /// Spans taken from the queue and not settled yet.
    unsettled: Option<Spans>,
    counters: Arc<Counters>,
}

/// The spans of one push, encoded.
#[derive(Debug, Clone)]
struct Spans {
    count: u64,
    body: Bytes,
}

impl Drop for Pusher {
    fn drop(&mut self) {
        // Whoever records from now on is told that there is no room, which counts.
        self.queue.close();
        let unsettled = self.unsettled.take().map_or(0, |spans| spans.count);
        self.counters.dropped.fetch_add(unsettled + self.queue.len() as u64, Ordering::Relaxed);
    }
}

impl Pusher {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut ticks = interval(OTLP_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // An error means that the handle is gone.
                _ = &mut stopped => break,
            }
            tokio::select! {
                () = self.push() => {}
                _ = &mut stopped => break,
            }
        }
        self.push().await;
    }

    /// Pushes what waits, and the metrics. Dropped in between, it goes on with the same spans, which a collector may get twice.
    async fn push(&mut self) {
        while let Some(spans) = self.next_spans() {
            let answer = self.deliver("/v1/traces", spans.body).await;
            let taken = answer.map_or(0, |answer| spans.count - rejected(answer).min(spans.count));
            self.counters.spans.fetch_add(taken, Ordering::Relaxed);
            self.counters.dropped.fetch_add(spans.count - taken, Ordering::Relaxed);
            self.unsettled = None;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.deliver("/v1/metrics", self.otlp.metrics(now_ms).encode_to_vec().into()).await;
    }

    /// The spans to push next; the same until they are settled.
    fn next_spans(&mut self) -> Option<Spans> {
        if self.unsettled.is_none() {
            let mut spans = Vec::new();
            while spans.len() < OTLP_SPANS_MAX
                && let Ok(record) = self.queue.try_recv()
            {
                spans.push(self.otlp.record(&record));
            }
            let count = spans.len() as u64;
            if count > 0 {
                self.unsettled = Some(Spans { count, body: self.otlp.traces(spans).encode_to_vec().into() });
            }
        }
        self.unsettled.clone()
    }

    /// Posts until it is taken, refused for good, or too old; the answer when it is taken.
    async fn deliver(&self, path: &str, body: Bytes) -> Option<Bytes> {
        let (begun, mut pause) = (Instant::now(), OTLP_RETRY_PAUSE_MIN);
        loop {
            let answer = post(&self.url.authority, &format!("{}{path}", self.url.base), body.clone()).await;
            let wait = match answer {
                Answer::Taken { body } => return Some(body),
                Answer::Refused { status } => {
                    tracing::warn!(status, path, "collector refuses what is pushed");
                    self.counters.failed_tries.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
                Answer::Later { after, reason } => {
                    tracing::debug!(%reason, path, "collector not reached, tried again");
                    self.counters.failed_tries.fetch_add(1, Ordering::Relaxed);
                    after.unwrap_or(pause).min(OTLP_RETRY_PAUSE_MAX)
                }
            };
            if begun.elapsed() + wait > OTLP_RETRY_MAX {
                return None;
            }
            sleep(jittered(wait)).await;
            pause = (pause * 2).min(OTLP_RETRY_PAUSE_MAX);
        }
    }
}

/// Spans that a collector did not keep though it took the push (OTLP 1, "Partial Success"); none if it does not say.
fn rejected(answer: Bytes) -> u64 {
    let partial = ExportTraceServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
    partial.and_then(|partial| u64::try_from(partial.rejected_spans).ok()).unwrap_or(0)
}

/// Between the whole pause and half as much again, so that managers that lost one collector don't come back together.
fn jittered(pause: Duration) -> Duration {
    let share = getrandom::u32().unwrap_or(0) as f64 / f64::from(u32::MAX);
    pause.mul_f64(1.0 + share / 2.0)
}

#[cfg(test)]
mod tests;
