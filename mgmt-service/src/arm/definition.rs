//! Transaction definitions: what is measured, with which metrics, and how long an answer is waited for
//! (paper §4.2).

use std::fmt;
use std::time::Duration;

use super::values::{self, ValueDefinition};
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
    /// Typed metrics that the application adds, at most `VALUES_MAX`.
    pub values: Vec<ValueDefinition>,
    /// After this time without an answer the transaction has failed; above 0 s, at most one hour.
    pub timeout: Duration,
}

impl TransactionDefinition {
    /// A definition with all metrics.
    #[must_use]
    pub fn new(name: &str, timeout: Duration) -> Self {
        Self { name: name.to_owned(), metrics: Metric::ALL.to_vec(), values: Vec::new(), timeout }
    }

    /// Whether records of this definition carry `metric`.
    #[must_use]
    pub fn has(&self, metric: Metric) -> bool {
        self.metrics.contains(&metric)
    }

    /// The same at every peer that measures the same: the first 16 bytes of the BLAKE3 hash of name, metrics and typed
    /// metrics. The timeout is no part of it: how patient a peer is does not change what it measures.
    #[must_use]
    pub fn id(&self) -> DefinitionId {
        let mut hasher = blake3::Hasher::new_derive_key("juxta arm transaction definition 1");
        let mut text = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        };
        text(&self.name);
        let mut columns: Vec<_> = self.metrics.iter().map(|metric| metric.column()).collect();
        columns.sort_unstable();
        columns.dedup();
        text(&columns.join(","));
        for value in &self.values {
            text(&value.name);
            text(&value.unit);
            text(value.kind.as_str());
        }
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        DefinitionId(id)
    }

    /// # Errors
    /// [`DefineError::BadName`], [`DefineError::BadTimeout`] or [`DefineError::TooManyValues`].
    pub(super) fn check(&self) -> Result<(), DefineError> {
        check_name(&self.name)?;
        values::check(&self.values, check_name)?;
        let max = Duration::from_secs(TRANSACTION_TIMEOUT_S_MAX);
        if self.timeout.is_zero() || self.timeout > max {
            return Err(DefineError::BadTimeout { timeout: self.timeout, max });
        }
        Ok(())
    }
}

/// Names what is measured; equal at all peers without a registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DefinitionId([u8; 16]);

impl DefinitionId {
    /// As it travels.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for DefinitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for DefinitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DefinitionId({self})")
    }
}

fn check_name(name: &str) -> Result<(), DefineError> {
    let fits = (1..=TRANSACTION_NAME_BYTES_MAX).contains(&name.len());
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if fits && name.bytes().all(known) {
        return Ok(());
    }
    Err(DefineError::BadName { name: name.to_owned(), max: TRANSACTION_NAME_BYTES_MAX })
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

    #[test]
    fn definitions_that_measure_the_same_have_the_same_id_and_no_others() {
        use super::super::ValueKind;
        let ping = TransactionDefinition::new("presence.ping", Duration::from_secs(1));
        let patient = TransactionDefinition { timeout: Duration::from_secs(9), ..ping.clone() };
        let reversed = ping.metrics.iter().rev().copied().collect();
        assert_eq!(patient.id(), ping.id());
        assert_eq!(TransactionDefinition { metrics: reversed, ..ping.clone() }.id(), ping.id());
        let value = |kind| vec![ValueDefinition::new("sent", "By", kind)];
        let counter = TransactionDefinition { values: value(ValueKind::Counter), ..ping.clone() };
        let gauge = TransactionDefinition { values: value(ValueKind::Gauge), ..ping.clone() };
        let paper = TransactionDefinition { metrics: Metric::PAPER.to_vec(), ..ping.clone() };
        let other = TransactionDefinition { name: "presence.pong".to_owned(), ..ping.clone() };
        let ids: std::collections::HashSet<_> =
            [&ping, &counter, &gauge, &paper, &other].map(TransactionDefinition::id).into();
        assert_eq!(ids.len(), 5);
        assert_eq!(ping.id().to_string(), "85bd0f03f56caff533a5e68d7532130b");
    }

    #[test]
    fn more_typed_metrics_than_arm_has_are_refused() {
        use super::super::ValueKind;
        let values = vec![ValueDefinition::new("sent", "By", ValueKind::Counter); 8];
        let definition =
            TransactionDefinition { values, ..TransactionDefinition::new("a", Duration::from_secs(1)) };
        assert_eq!(definition.check(), Err(DefineError::TooManyValues { max: 7 }));
    }
}
