//! Managed objects (paper §5): names, patterns, objects that describe themselves, and their registry.
//!
//! Pure: no clock, no socket, no task.

mod bean;
mod counter_bean;
mod glob;
mod managed_bean;
mod monitor;
mod object_name;
mod operation;
mod pattern;
mod record_bean;
mod serials;
mod server;
mod syntax;
mod value_type;

pub use bean::{AttributeInfo, AttributeValue, BeanInfo, DynamicBean};
pub use counter_bean::CounterBean;
pub use managed_bean::ManagedBean;
pub use monitor::{Crossing, Monitor, MonitorKind};
pub use object_name::ObjectName;
pub use operation::{Change, OperationInfo, Parameter, SetOptions, Writable};
pub use pattern::ObjectNamePattern;
pub use record_bean::{RecordBean, RecordBeans, record_name, record_of};
pub use server::{BeanServer, Found, FoundPage, Registration};
pub use value_type::ValueType;
