//! Values that transactions told before their end (ARM's update), so that one that never ends well says how far it got.
//!
//! In: values of transactions in flight. Out: the last ones told of a transaction. One place for each transaction object,
//! and none for definitions without typed metrics; what is left of one that has ended is nobody's, since its correlator is
//! used once.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::correlator::Correlator;
use super::slots::slot_of;
use super::values::MetricValue;
use crate::limits::TRANSACTIONS_IN_FLIGHT_MAX;

/// What transactions of one definition have told so far.
#[derive(Debug)]
pub(super) struct Interim(Box<[ArcSwapOption<Told>]>);

/// What one transaction has told so far.
#[derive(Debug)]
struct Told {
    correlator: Correlator,
    values: Vec<Option<MetricValue>>,
}

impl Interim {
    /// Places for a definition with so many typed metrics.
    pub(super) fn new(metrics: usize) -> Self {
        let places = if metrics == 0 { 0 } else { TRANSACTIONS_IN_FLIGHT_MAX };
        Self(std::iter::repeat_with(Default::default).take(places).collect())
    }

    /// Keeps `values`; one that is none leaves what was told before. Allocates.
    pub(super) fn tell(&self, correlator: Correlator, values: &[Option<MetricValue>]) {
        let Some(place) = self.0.get(slot_of(correlator.seq().into())) else { return };
        place.rcu(|before| {
            let before = before.as_ref().filter(|told| told.correlator == correlator);
            let before = before.map_or(&[][..], |told| &told.values);
            let value = |at| {
                let value = |values: &[Option<MetricValue>]| values.get(at).cloned().flatten();
                value(values).or_else(|| value(before))
            };
            let values = (0..values.len().max(before.len())).map(value).collect();
            Some(Arc::new(Told { correlator, values }))
        });
    }

    /// What was told last.
    pub(super) fn told(&self, correlator: Correlator) -> Vec<Option<MetricValue>> {
        let place = self.0.get(slot_of(correlator.seq().into()));
        let told = place.and_then(ArcSwapOption::load_full).filter(|told| told.correlator == correlator);
        told.map(|told| told.values.clone()).unwrap_or_default()
    }
}
