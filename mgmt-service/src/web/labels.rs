//! Names of transactions as labels of metrics: agents choose them, so they are checked and bounded.

use std::collections::BTreeSet;

use crate::limits::{METRIC_TRANSACTIONS_MAX, TRANSACTION_NAME_BYTES_MAX};

/// The names that have a label of their own; at most `METRIC_TRANSACTIONS_MAX`.
#[derive(Debug, Default)]
pub(super) struct Labels(BTreeSet<String>);

impl Labels {
    /// The name of a transaction as a label; `other` beyond the bound, or when it is no name.
    pub(super) fn of(&mut self, transaction: &str) -> String {
        if !self.0.contains(transaction) {
            if self.0.len() >= METRIC_TRANSACTIONS_MAX || !is_name(transaction) {
                return "other".to_owned();
            }
            self.0.insert(transaction.to_owned());
        }
        transaction.to_owned()
    }
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.len() <= TRANSACTION_NAME_BYTES_MAX && text.chars().all(plain)
}
