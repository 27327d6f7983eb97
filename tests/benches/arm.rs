//! `cargo bench -p tests --bench arm`: what measuring one exchange costs its program: start and stop of an ARM
//! transaction, clocks included, with one consumer that is drained.
#![expect(unsafe_code, reason = "counting allocations takes an allocator of our own")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mgmt_service::arm::{
    Application, Consumer, DestStatus, Outcome, Overflow, Path, Transaction, TransactionDefinition,
};
use overlay::PeerId;
use tests::bench::{Figure, Plan};

/// The system's allocator, counted.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Exchanges between two drains of the consumer, below its capacity.
const BATCH: u32 = 1000;

fn main() {
    let plan = Plan::from_args("arm");
    let (dest, application) = (PeerId::random(), Application::new(PeerId::random(), [7; 32]));
    let definition = TransactionDefinition::new("bench.exchange", Duration::from_secs(30));
    let transaction = application.define(definition).unwrap();
    let consumer = application.subscribe(4096, Overflow::DropOldest).unwrap();
    exchanges(&transaction, &consumer, dest);

    let mut alone = Figure::alone("arm_start_stop_ns", "ns");
    let mut allocations = Figure::alone("arm_start_stop_allocations", "1");
    let mut contended = Figure::alone("arm_start_stop_2_threads_ns", "ns");
    for _ in 0..plan.rounds * 8 {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        alone.measured(exchanges(&transaction, &consumer, dest));
        let allocated = ALLOCATIONS.load(Ordering::Relaxed) - before;
        allocations.measured(allocated as f64 / f64::from(BATCH));
        contended.measured(thread::scope(|scope| {
            let other = scope.spawn(|| exchanges(&transaction, &consumer, dest));
            let mine = exchanges(&transaction, &consumer, dest);
            (mine + other.join().unwrap()) / 2.0
        }));
    }
    alone.print();
    contended.print();
    allocations.print();
}

/// The mean time of one start and stop in nanoseconds; taking the records out is not counted.
fn exchanges(transaction: &Transaction, consumer: &Consumer, dest: PeerId) -> f64 {
    let start = Instant::now();
    for number in 0..BATCH {
        let correlator = transaction.start(Instant::now(), u64::from(number), dest, Path::Direct).unwrap();
        transaction.stop(Instant::now(), correlator, dest, Outcome::good(DestStatus::Online));
    }
    let elapsed = start.elapsed();
    while consumer.get().is_some() {}
    elapsed.as_nanos() as f64 / f64::from(BATCH)
}
