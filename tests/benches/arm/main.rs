//! `cargo bench -p tests --bench arm`: what measuring one exchange costs its program: start and stop of an ARM
//! transaction with its sketch and one consumer, clocks included, beside what others take for the same exchange.
//!
//! `-- --instructions` counts instructions instead, by valgrind, and fails when they are too many: the one figure that
//! does not depend on the machine's mood.
#![expect(unsafe_code, reason = "counting allocations takes an allocator of our own")]

mod allocations;
mod instructions;
mod references;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use mgmt_service::arm::{
    Application, Consumer, DestStatus, Outcome, Overflow, Path, Transaction, TransactionDefinition,
};
use overlay::{Keypair, PeerId};
use tests::bench::{Figure, Plan};

use references::{Metrics, OpenTelemetry, Tracing};

/// Exchanges between two drains of the consumer.
const BATCH: u32 = 1000;
/// Records of the consumer, at least; never so few that one is lost.
const CAPACITY: usize = 4096;

/// A program that is measured, and who takes the records.
struct World {
    application: Application,
    transaction: Transaction,
    consumer: Consumer,
    dest: PeerId,
}

fn main() -> ExitCode {
    if let Some(exchanges) = instructions::counted_here() {
        World::new().exchanges_without_clock(exchanges);
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|arg| arg == "--instructions") {
        return instructions::gate();
    }
    compare(Plan::from_args("arm"));
    ExitCode::SUCCESS
}

fn compare(plan: Plan) {
    let world = World::new();
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let (otel, tracing, metrics) = (OpenTelemetry::new(), Tracing::new(), Metrics::new());
    let named = |name, reference| Figure::beside(name, "ns", reference);
    let mut beside_otel = named("arm_start_stop_ns", "opentelemetry_sdk: a span with 4 attributes, batched");
    let mut beside_tracing =
        named("arm_beside_tracing_ns", "tracing: a span with 4 fields, timed by a layer");
    let mut beside_metrics =
        named("arm_beside_metrics_ns", "metrics + prometheus: a histogram with 2 labels, no record");
    let mut two = named("arm_start_stop_2_threads_ns", "opentelemetry_sdk, 2 threads");
    let mut all = named("arm_start_stop_all_cores_ns", "opentelemetry_sdk, all cores");
    let mut allocated = Figure::beside("arm_start_stop_allocations", "1", "opentelemetry_sdk");
    let mut alone: Vec<_> = [
        ("arm_clock_pair_ns", World::clock_pair as fn(&World) -> f64),
        ("arm_sketch_only_ns", World::without_consumer),
        ("arm_unused_ns", World::unused),
        ("arm_poll_timeout_ns", World::poll_timeout),
    ]
    .map(|(name, measure)| (Figure::alone(name, "ns"), measure))
    .into();
    let ours = || world.exchanges();
    ours();
    for _ in 0..plan.rounds * 4 {
        let (spans, again) = (otel.exchanges(BATCH), otel.exchanges(BATCH));
        beside_otel.round(ours(), spans, again);
        let (spans, again) = (tracing.exchanges(BATCH), tracing.exchanges(BATCH));
        beside_tracing.round(ours(), spans, again);
        let (histogram, again) = (metrics.exchanges(BATCH), metrics.exchanges(BATCH));
        beside_metrics.round(ours(), histogram, again);
        let spans = || otel.exchanges(BATCH);
        two.round(on_threads(2, ours), on_threads(2, spans), on_threads(2, spans));
        all.round(on_threads(cores, ours), on_threads(cores, spans), on_threads(cores, spans));
        let counts = [&ours as &dyn Fn() -> f64, &spans, &spans].map(allocations::during);
        let [ours, theirs, again] = counts.map(|count| count as f64 / f64::from(BATCH));
        allocated.round(ours, theirs, again);
        for (figure, measure) in &mut alone {
            figure.measured(measure(&world));
        }
    }
    for figure in [&beside_otel, &beside_tracing, &beside_metrics, &two, &all, &allocated] {
        figure.print();
    }
    alone.iter().for_each(|(figure, _)| figure.print());
    match instructions::per_exchange() {
        Ok(count) => instructions::print(count),
        Err(reason) => println!("arm_start_stop_instructions: not counted: {reason}"),
    }
    assert_eq!(world.consumer.dropped(), 0, "a lost record costs less than one that is kept");
}

impl World {
    fn new() -> Self {
        let application = Application::new(PeerId::random(), [7; 32]);
        let definition = TransactionDefinition::new("bench.exchange", Duration::from_secs(30));
        let transaction = application.define(definition).unwrap();
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let capacity = CAPACITY.max(cores * BATCH as usize);
        let consumer = application.subscribe(capacity, Overflow::DropOldest).unwrap();
        // A peer as they are, with its key in its id; `PeerId::random` is shorter.
        let dest = Keypair::generate_ed25519().public().to_peer_id();
        Self { application, transaction, consumer, dest }
    }

    /// The mean time of one start and stop in nanoseconds; taking the records out is not counted.
    fn exchanges(&self) -> f64 {
        let start = Instant::now();
        for number in 0..BATCH {
            self.exchange(&self.transaction, Instant::now, number);
        }
        let elapsed = per_one(start, BATCH);
        while self.consumer.get().is_some() {}
        elapsed
    }

    /// What valgrind counts.
    fn exchanges_without_clock(&self, exchanges: u32) {
        self.exchanges();
        let now = Instant::now();
        (0..exchanges).for_each(|number| self.exchange(&self.transaction, || black_box(now), number));
        assert_eq!(self.consumer.dropped(), 0);
    }

    #[inline(always)]
    fn exchange(&self, transaction: &Transaction, now: impl Fn() -> Instant, number: u32) {
        let dest = black_box(self.dest);
        let correlator = transaction.start(now(), number.into(), dest, Path::Direct).unwrap();
        let outcome = Outcome::good(DestStatus::Online);
        black_box(transaction.stop(now(), black_box(correlator), dest, outcome));
    }

    /// What the two clock readings take, which are part of every figure above.
    fn clock_pair(&self) -> f64 {
        let start = Instant::now();
        for _ in 0..BATCH {
            black_box((Instant::now(), Instant::now()));
        }
        per_one(start, BATCH)
    }

    /// Nobody subscribes: the sketch alone.
    fn without_consumer(&self) -> f64 {
        let application = Application::new(PeerId::random(), [7; 32]);
        let definition = TransactionDefinition::new("bench.alone", Duration::from_secs(30));
        let transaction = application.define(definition).unwrap();
        let start = Instant::now();
        (0..BATCH).for_each(|number| self.exchange(&transaction, Instant::now, number));
        per_one(start, BATCH)
    }

    /// Start and stop of a definition that is switched off, without clocks.
    fn unused(&self) -> f64 {
        self.transaction.set_measured(false);
        let start = Instant::now();
        (0..BATCH).for_each(|number| self.exchange(&self.transaction, || start, number));
        let elapsed = per_one(start, BATCH);
        self.transaction.set_measured(true);
        elapsed
    }

    /// Asking for the next timeout when one transaction is in flight.
    fn poll_timeout(&self) -> f64 {
        let correlator = self.transaction.start(Instant::now(), 0, self.dest, Path::Direct).unwrap();
        let start = Instant::now();
        for _ in 0..BATCH {
            black_box(self.application.poll_timeout());
        }
        let elapsed = per_one(start, BATCH);
        self.transaction.discard(correlator);
        elapsed
    }
}

/// The mean of what `work` takes on each of so many threads that begin at once.
fn on_threads(threads: usize, work: impl Fn() -> f64 + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let one = || {
        barrier.wait();
        work()
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(one)).collect();
        let mine = one();
        (mine + others.into_iter().map(|other| other.join().unwrap()).sum::<f64>()) / threads as f64
    })
}

fn per_one(start: Instant, number: u32) -> f64 {
    start.elapsed().as_nanos() as f64 / f64::from(number)
}
