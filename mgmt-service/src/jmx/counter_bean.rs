//! Counters and gauges as one managed object: the overlay's meters, the rendezvous, the messenger, the agent itself.
//!
//! In: a function that reads the counters. Out: an attribute for each, read at the moment somebody asks.

use std::borrow::Cow;
use std::fmt;

use super::bean::{AttributeInfo, AttributeValue, BeanInfo, DynamicBean};

/// A managed object whose attributes are counters.
pub struct CounterBean {
    description: &'static str,
    read: Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>,
}

impl CounterBean {
    /// A bean that calls `read` each time it is asked; `read` must not block.
    pub fn new(
        description: &'static str,
        read: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
    ) -> Self {
        Self { description, read: Box::new(read) }
    }
}

impl fmt::Debug for CounterBean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CounterBean").field("description", &self.description).finish_non_exhaustive()
    }
}

impl DynamicBean for CounterBean {
    fn info(&self) -> BeanInfo {
        let attribute = |(name, _)| AttributeInfo {
            name: Cow::Borrowed(name),
            description: Cow::Borrowed("count since the start, or present value"),
        };
        BeanInfo {
            description: Cow::Borrowed(self.description),
            attributes: (self.read)().into_iter().map(attribute).collect(),
        }
    }

    fn attribute(&self, name: &str) -> Option<AttributeValue> {
        let (_, value) = (self.read)().into_iter().find(|(known, _)| *known == name)?;
        Some(value.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn counters_are_read_when_asked() {
        let count = Arc::new(AtomicU64::new(1));
        let counted = count.clone();
        let bean = CounterBean::new("counts", move || {
            vec![("records", counted.load(Ordering::Relaxed)), ("dropped", 0)]
        });
        assert_eq!(bean.attribute("records"), Some(AttributeValue::Int(1)));
        count.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(bean.attribute("records"), Some(AttributeValue::Int(i64::MAX)));
        assert_eq!(bean.attribute("missing"), None);
        let names: Vec<_> = bean.info().attributes.into_iter().map(|attribute| attribute.name).collect();
        assert_eq!(names, ["records", "dropped"]);
    }
}
