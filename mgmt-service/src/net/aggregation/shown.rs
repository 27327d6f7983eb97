//! What an aggregator shows to who manages its peer.
//!
//! In: its counters. Out: the objects `juxta:type=aggregator` and, of its own way up, `juxta:type=aggregation`.

use std::sync::Arc;

use super::station::AggregatorNode;
use crate::error::AgentError;
use crate::jmx::{BeanServer, CounterBean, DynamicBean, ObjectName, Registration};

impl AggregatorNode {
    /// Registers what it counts among `beans`, until the registrations are dropped.
    ///
    /// # Errors
    /// [`AgentError`] when such objects are there already.
    pub fn register(&self, beans: &BeanServer) -> Result<[Registration; 2], AgentError> {
        let register = |kind: &str, bean: CounterBean| -> Result<Registration, AgentError> {
            let bean: Arc<dyn DynamicBean> = Arc::new(bean);
            Ok(beans.register(ObjectName::new("juxta", [("type", kind)])?, bean)?)
        };
        let (counters, child) = (self.counters.clone(), self.child.clone());
        Ok([
            register("aggregator", CounterBean::new("an aggregator", move || counters.snapshot()))?,
            register(
                "aggregation",
                CounterBean::new("its reports on their way up", move || child.snapshot()),
            )?,
        ])
    }
}
