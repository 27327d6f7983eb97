//! Transaction definitions: what is measured, with which metrics, and how long an answer is waited for
//! (paper §4.2).

use std::time::Duration;

use crate::error::DefineError;
use crate::limits::{TRANSACTION_NAME_BYTES_MAX, TRANSACTION_TIMEOUT_S_MAX};

/// A value that a record carries beside the response time (paper §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// Who was asked: the receiver of the PING. Record column `dest`.
    ReceiverIdentifier,
    /// What the receiver said of itself. Record column `dest_status`.
    ReceiverStatus,
    /// Whether an answer or the timeout ended the transaction. Record columns `status` and `reason`.
    TransactionStatus,
    /// What ties answer and question. Record column `corr`.
    TransactionCorrelator,
    /// How long the receiver held the question before it answered, by its own clock. Record column `hold_us`.
    RemoteHold,
    /// Whether the exchange went straight or through a relay. Record column `path`.
    NetworkPath,
}

impl Metric {
    /// The metrics that the paper gives to a PING/PONG transaction (§4.2).
    pub const PAPER: [Self; 4] = [
        Self::ReceiverIdentifier,
        Self::ReceiverStatus,
        Self::TransactionStatus,
        Self::TransactionCorrelator,
    ];

    /// All metrics that an [`ArmRecord`](super::ArmRecord) can carry.
    pub const ALL: [Self; 6] = [
        Self::ReceiverIdentifier,
        Self::ReceiverStatus,
        Self::TransactionStatus,
        Self::TransactionCorrelator,
        Self::RemoteHold,
        Self::NetworkPath,
    ];

    /// The column of a record that carries this metric.
    #[must_use]
    pub fn column(self) -> &'static str {
        match self {
            Self::ReceiverIdentifier => "dest",
            Self::ReceiverStatus => "dest_status",
            Self::TransactionStatus => "status",
            Self::TransactionCorrelator => "corr",
            Self::RemoteHold => "hold_us",
            Self::NetworkPath => "path",
        }
    }
}

/// What one kind of transaction is: its name, its metrics, and how long an answer is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDefinition {
    /// Name in every record, such as `presence.ping`; 1 to 64 letters, digits, `.`, `-` or `_`.
    pub name: String,
    /// The metrics that its records carry. Whoever shows records (a dynamic bean, paper §5.1) shows these;
    /// a metric that is not listed stays empty in the record when it is one of the optional two,
    /// [`Metric::RemoteHold`] and [`Metric::NetworkPath`].
    pub metrics: Vec<Metric>,
    /// After this time without an answer the transaction has failed; above 0 s, at most one hour.
    pub timeout: Duration,
}

impl TransactionDefinition {
    /// A definition with all metrics.
    #[must_use]
    pub fn new(name: &str, timeout: Duration) -> Self {
        Self { name: name.to_owned(), metrics: Metric::ALL.to_vec(), timeout }
    }

    /// Whether records of this definition carry `metric`.
    #[must_use]
    pub fn has(&self, metric: Metric) -> bool {
        self.metrics.contains(&metric)
    }

    /// # Errors
    /// [`DefineError::BadName`] or [`DefineError::BadTimeout`].
    pub(super) fn check(&self) -> Result<(), DefineError> {
        let fits = (1..=TRANSACTION_NAME_BYTES_MAX).contains(&self.name.len());
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !fits || !self.name.bytes().all(known) {
            return Err(DefineError::BadName { name: self.name.clone(), max: TRANSACTION_NAME_BYTES_MAX });
        }
        let max = Duration::from_secs(TRANSACTION_TIMEOUT_S_MAX);
        if self.timeout.is_zero() || self.timeout > max {
            return Err(DefineError::BadTimeout { timeout: self.timeout, max });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_timeouts_out_of_range_are_refused() {
        let second = Duration::from_secs(1);
        assert_eq!(TransactionDefinition::new("presence.ping", second).check(), Ok(()));
        for name in ["", "=cmd", "a b", "ping\n", "é", &"x".repeat(65)] {
            let refused = TransactionDefinition::new(name, second).check();
            assert!(matches!(refused, Err(DefineError::BadName { .. })), "{name:?}");
        }
        for timeout in [Duration::ZERO, Duration::from_secs(3601), Duration::MAX] {
            let refused = TransactionDefinition::new("ping", timeout).check();
            assert!(matches!(refused, Err(DefineError::BadTimeout { .. })), "{timeout:?}");
        }
    }

    #[test]
    fn every_metric_has_a_column_of_the_record() {
        for metric in Metric::ALL {
            assert!(super::super::ArmRecord::COLUMNS.contains(&metric.column()), "{metric:?}");
        }
    }
}
