//! Where the time around a transaction went, as far as the asker can measure it by its own clock (paper §4.5: what the
//! instrumentation of the layers below would tell).

/// Parts of one exchange, each in microseconds; none when it was not measured.
///
/// `queue`, `lookup` and `dial` lie before the start of the transaction, so they come on top of its response time;
/// `network` lies within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Split {
    /// From when the question was due, or its work arrived, until it was written.
    pub queue_us: Option<u64>,
    /// Looking for the receiver's addresses, when this exchange had to wait for a new pipe.
    pub lookup_us: Option<u64>,
    /// Connecting and opening the pipe, when this exchange had to wait for it.
    pub dial_us: Option<u64>,
    /// The round trip of the bare connection, as its own pings measured it last.
    pub network_us: Option<u64>,
}

impl Split {
    /// The names of the parts, in the order of [`Self::values`].
    pub const COLUMNS: [&str; 4] = ["queue_us", "lookup_us", "dial_us", "network_us"];

    /// The parts in their order.
    #[must_use]
    pub const fn values(&self) -> [Option<u64>; 4] {
        [self.queue_us, self.lookup_us, self.dial_us, self.network_us]
    }

    /// The parts from values in their order.
    #[must_use]
    pub const fn of([queue_us, lookup_us, dial_us, network_us]: [Option<u64>; 4]) -> Self {
        Self { queue_us, lookup_us, dial_us, network_us }
    }

    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What was spent before the transaction started.
    #[must_use]
    pub fn before_us(&self) -> u64 {
        let [queue, lookup, dial, _] = self.values().map(Option::unwrap_or_default);
        queue.saturating_add(lookup).saturating_add(dial)
    }
}
