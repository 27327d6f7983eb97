//! Which transaction the work at hand belongs to, also across `await` (ARM's bind and unbind of a thread).
//!
//! In: a transaction and a future. Out: the same future, inside of which [`current`] is that transaction, and every
//! transaction started is its part. Costs one thread-local write before and after each poll.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;

use super::correlator::Correlator;

thread_local! {
    static CURRENT: Cell<u64> = const { Cell::new(Correlator::NONE.0) };
}

/// The transaction that the work at hand belongs to.
#[must_use]
pub fn current() -> Option<Correlator> {
    let current = CURRENT.get();
    (current != Correlator::NONE.0).then_some(Correlator(current))
}

/// Runs `work` as a part of the transaction of `correlator`.
pub fn bound<R>(correlator: Correlator, work: impl FnOnce() -> R) -> R {
    let _bound = Binding::new(correlator);
    work()
}

/// A future that is polled as a part of a transaction.
#[must_use = "futures do nothing unless polled"]
pub struct Bound<'a, T> {
    correlator: Correlator,
    future: BoxFuture<'a, T>,
}

impl<'a, T> Bound<'a, T> {
    /// Polls `future` as a part of the transaction of `correlator`, on whatever thread. Allocates once.
    pub fn new(correlator: Correlator, future: impl Future<Output = T> + Send + 'a) -> Self {
        Self { correlator, future: Box::pin(future) }
    }
}

impl<T> Future for Bound<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let _bound = Binding::new(self.correlator);
        self.future.as_mut().poll(context)
    }
}

impl<T> std::fmt::Debug for Bound<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("correlator", &self.correlator).finish_non_exhaustive()
    }
}

/// Puts back what was bound before, also when the work panics.
struct Binding {
    before: u64,
}

impl Binding {
    fn new(correlator: Correlator) -> Self {
        Self { before: CURRENT.replace(correlator.0) }
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_bound_futures_on_one_thread_keep_apart() {
        let task = |number| {
            Bound::new(Correlator(number), async move {
                for _ in 0..3 {
                    assert_eq!(current(), Some(Correlator(number)));
                    tokio::task::yield_now().await;
                }
            })
        };
        tokio::join!(task(1), task(2));
        assert_eq!(current(), None);
    }

    #[test]
    fn inner_work_gives_way_to_the_outer_again() {
        bound(Correlator(1), || {
            let panicked = std::panic::catch_unwind(|| bound(Correlator(2), || std::panic::panic_any(())));
            assert!(panicked.is_err());
            assert_eq!(current(), Some(Correlator(1)));
        });
        assert_eq!(current(), None);
    }
}
