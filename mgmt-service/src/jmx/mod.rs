//! Managed objects (paper §5): names, patterns, objects that describe themselves, and their registry.
//!
//! Pure: no clock, no socket, no task.

mod bean;
mod counter_bean;
mod glob;
mod object_name;
mod pattern;
mod record_bean;
mod server;
mod syntax;

pub use bean::{AttributeInfo, AttributeValue, BeanInfo, DynamicBean};
pub use counter_bean::CounterBean;
pub use object_name::ObjectName;
pub use pattern::ObjectNamePattern;
pub use record_bean::{RecordBean, RecordBeans, record_name, record_of};
pub use server::{BeanServer, Found, Registration};
