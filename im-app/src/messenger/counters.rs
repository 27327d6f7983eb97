//! Counters of the messenger: what it did, refused and left out. Shown as the managed object `juxta:type=messenger`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the counters and their names.
macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Counter {
            $($(#[$doc])* $variant,)*
        }

        impl Counter {
            const NAMES: &'static [&'static str] = &[$($name,)*];
        }
    };
}

counters! {
    /// Messages that were kept for sending.
    MessagesQueued = "messages_queued",
    /// Messages that their receivers acknowledged.
    MessagesDelivered = "messages_delivered",
    /// Messages that will not arrive.
    MessagesFailed = "messages_failed",
    /// Messages that came and were kept.
    MessagesReceived = "messages_received",
    /// Messages that came again and were only acknowledged.
    MessagesRepeated = "messages_repeated",
    /// PINGs handed to a pipe.
    PingsSent = "pings_sent",
    /// PINGs to buddies without a pipe.
    PingsUnreachable = "pings_unreachable",
    /// PONGs that came.
    PongsReceived = "pongs_received",
    /// PONGs that no outstanding PING asked for: late, doubled or forged.
    PongsUnasked = "pongs_unasked",
    /// PINGs that no transaction was free for; they were sent all the same and their time is not recorded.
    PingsUnmeasured = "pings_unmeasured",
    /// Pipes to buddies that were opened, by either side.
    LinksOpened = "links_opened",
    /// Pipes above the bound of one peer.
    LinksRefused = "links_refused",
    /// Pipes that took no more orders and were closed.
    LinksStuck = "links_stuck",
    /// Pipes and requests of strangers above their bounds, or of blocked peers.
    StrangersRefused = "strangers_refused",
    /// Malformed or forbidden messages on pipes.
    FramesRefused = "frames_refused",
    /// Messages of kinds that this version doesn't know.
    FramesUnknown = "frames_unknown",
    /// Dials that failed.
    DialsFailed = "dials_failed",
    /// Commands that were answered with an error.
    CommandsFailed = "commands_failed",
    /// Events left out for a face that reads too slowly.
    EventsLagged = "events_lagged",
    /// Connections of faces above the bound.
    FacesRefused = "faces_refused",
}

/// The counters; clones count together.
#[derive(Debug, Clone)]
pub struct Counters {
    counts: Arc<[AtomicU64]>,
}

impl Default for Counters {
    fn default() -> Self {
        Self { counts: Counter::NAMES.iter().map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Counters {
    /// Counts one more.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `n` more.
    pub fn add(&self, counter: Counter, n: u64) {
        if let Some(count) = self.counts.get(counter as usize) {
            count.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// How many there were.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counts.get(counter as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Every counter by name.
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        let values = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Counter::NAMES.iter().copied().zip(values).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_together_under_one_name() {
        let counters = Counters::default();
        counters.clone().count(Counter::FacesRefused);
        counters.add(Counter::MessagesQueued, 2);
        assert_eq!(counters.get(Counter::FacesRefused), 1);
        assert_eq!(counters.snapshot().first(), Some(&("messages_queued", 2)));
        assert_eq!(counters.snapshot().last(), Some(&("faces_refused", 1)));
    }
}
