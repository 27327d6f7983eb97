//! Who looks at what the manager shows: browsers that follow it, and whoever has asked a moment ago.
//!
//! In: event streams that begin and end, requests. Out: whether somebody looks, and when that changes. One number and one
//! time, however many look.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use crate::limits::LOOK_KEPT;

/// Whether somebody looks; clones share it.
#[derive(Debug, Clone)]
pub struct Looks(Arc<watch::Sender<Looking>>);

#[derive(Debug, Clone, Copy, Default)]
struct Looking {
    /// Event streams.
    following: usize,
    asked_at: Option<Instant>,
}

/// Somebody follows, until this is dropped.
#[derive(Debug)]
pub(super) struct Following(Looks);

impl Looks {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }

    /// Somebody follows from now on.
    pub(super) fn follow(&self) -> Following {
        self.0.send_modify(|looking| looking.following += 1);
        Following(self.clone())
    }

    /// Somebody has asked once.
    pub(super) fn ask(&self) {
        self.0.send_modify(|looking| looking.asked_at = Some(Instant::now()));
    }

    /// Whether a browser follows, or somebody has asked within `LOOK_KEPT`.
    #[must_use]
    pub fn are_on(&self) -> bool {
        self.0.borrow().is_on()
    }

    /// Waits until somebody looks.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn begun(&self) {
        // The sender is here, so it can't be gone.
        let _ = self.0.subscribe().wait_for(Looking::is_on).await;
    }
}

impl Looking {
    fn is_on(&self) -> bool {
        self.following > 0 || self.asked_at.is_some_and(|at| at.elapsed() <= LOOK_KEPT)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.0.send_modify(|looking| looking.following = looking.following.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_browser_looks_until_it_is_gone_and_who_asks_looks_for_a_while() {
        let looks = Looks::new();
        assert!(!looks.are_on());
        let (first, second) = (looks.follow(), looks.follow());
        drop(first);
        assert!(looks.are_on());
        drop(second);
        assert!(!looks.are_on());
        assert!(looks.begun().now_or_never().is_none());
        looks.ask();
        assert!(looks.are_on() && looks.begun().now_or_never().is_some());
    }
}
