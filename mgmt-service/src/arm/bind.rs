//! Which transaction the work at hand belongs to, also across `await` (ARM's bind and unbind of a thread).
//!
//! In: a transaction and a future. Out: the same future, inside of which [`current`] is that transaction, and every
//! transaction started is its part. Costs one thread-local write before and after each poll.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;

use super::trace::Parent;

thread_local! {
    static CURRENT: Cell<Option<Parent>> = const { Cell::new(None) };
}

/// The transaction that the work at hand belongs to.
#[must_use]
pub fn current() -> Option<Parent> {
    CURRENT.get()
}

/// Runs `work` as a part of a transaction, which [`as_parent`](super::Transaction::as_parent) or a
/// [`Traceparent`](super::Traceparent) from elsewhere names.
pub fn bound<R>(parent: Parent, work: impl FnOnce() -> R) -> R {
    let _bound = Binding::new(parent);
    work()
}

/// A future that is polled as a part of a transaction.
#[must_use = "futures do nothing unless polled"]
pub struct Bound<'a, T> {
    parent: Parent,
    future: BoxFuture<'a, T>,
}

impl<'a, T> Bound<'a, T> {
    /// Polls `future` as a part of a transaction, on whatever thread. Allocates once.
    pub fn new(parent: Parent, future: impl Future<Output = T> + Send + 'a) -> Self {
        Self { parent, future: Box::pin(future) }
    }
}

impl<T> Future for Bound<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let _bound = Binding::new(self.parent);
        self.future.as_mut().poll(context)
    }
}

impl<T> std::fmt::Debug for Bound<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("parent", &self.parent).finish_non_exhaustive()
    }
}

/// Puts back what was bound before, also when the work panics.
struct Binding {
    before: Option<Parent>,
}

impl Binding {
    fn new(parent: Parent) -> Self {
        Self { before: CURRENT.replace(Some(parent)) }
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
    use crate::arm::{Correlator, TraceId};

    fn parent(number: u64) -> Parent {
        Parent { trace: TraceId::from_bytes([7; 16]), span: Correlator(number) }
    }

    #[tokio::test]
    async fn two_bound_futures_on_one_thread_keep_apart() {
        let task = |number| {
            Bound::new(parent(number), async move {
                for _ in 0..3 {
                    assert_eq!(current(), Some(parent(number)));
                    tokio::task::yield_now().await;
                }
            })
        };
        tokio::join!(task(1), task(2));
        assert_eq!(current(), None);
    }

    #[test]
    fn inner_work_gives_way_to_the_outer_again() {
        bound(parent(1), || {
            let panicked = std::panic::catch_unwind(|| bound(parent(2), || std::panic::panic_any(())));
            assert!(panicked.is_err());
            assert_eq!(current(), Some(parent(1)));
        });
        assert_eq!(current(), None);
    }
}
