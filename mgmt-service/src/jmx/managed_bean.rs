//! A managed object put together from closures: what an application shows, lets be set and lets be done.
//!
//! In: closures that don't block. Out: a [`DynamicBean`] whose values are checked before they arrive.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::bean::{AttributeInfo, AttributeValue, BeanInfo, DynamicBean};
use super::operation::{Change, OperationInfo, Parameter, SetOptions, Writable};
use super::value_type::ValueType;
use crate::error::{InvokeError, SetError};

type Read = Box<dyn Fn() -> Option<AttributeValue> + Send + Sync>;
type Write = Box<dyn Fn(AttributeValue) -> Result<(), String> + Send + Sync>;
type Run =
    Box<dyn Fn(Vec<AttributeValue>) -> BoxFuture<'static, Result<AttributeValue, String>> + Send + Sync>;

/// A managed object under construction and in use.
pub struct ManagedBean {
    description: Cow<'static, str>,
    attributes: Vec<Attribute>,
    operations: Vec<(OperationInfo, Run)>,
}

struct Attribute {
    info: AttributeInfo,
    read: Read,
    write: Option<Setting>,
}

struct Setting {
    value_type: ValueType,
    write: Write,
    /// How often it was set. Held while it is set, so that two sets of one version don't both succeed.
    version: Mutex<u64>,
}

impl ManagedBean {
    /// An object with nothing to it yet; `description` says in one line what it is.
    #[must_use]
    pub fn new(description: impl Into<Cow<'static, str>>) -> Self {
        Self { description: description.into(), attributes: Vec::new(), operations: Vec::new() }
    }

    /// Shows an attribute; `read` is called each time somebody asks.
    #[must_use]
    pub fn shows<V: Into<AttributeValue>>(
        self,
        name: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
        read: impl Fn() -> V + Send + Sync + 'static,
    ) -> Self {
        self.attribute(name.into(), description.into(), Box::new(move || Some(read().into())), None)
    }

    /// Shows an attribute that can be set to values of `value_type`; `write` may still say no, and why.
    #[must_use]
    pub fn sets<V: Into<AttributeValue>>(
        self,
        name: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
        value_type: ValueType,
        read: impl Fn() -> V + Send + Sync + 'static,
        write: impl Fn(AttributeValue) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let setting = Setting { value_type, write: Box::new(write), version: Mutex::new(0) };
        self.attribute(name.into(), description.into(), Box::new(move || Some(read().into())), Some(setting))
    }

    /// Offers an operation. `run` gets arguments of the types that `parameters` say, as many as those; what it gives is shown
    /// to who invoked it.
    #[must_use]
    pub fn does<F>(
        mut self,
        name: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
        parameters: impl IntoIterator<Item = (&'static str, ValueType)>,
        run: impl Fn(Vec<AttributeValue>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<AttributeValue, String>> + Send + 'static,
    {
        let parameter = |(name, value_type)| Parameter { name: Cow::Borrowed(name), value_type };
        let info = OperationInfo {
            name: name.into(),
            description: description.into(),
            parameters: parameters.into_iter().map(parameter).collect(),
        };
        self.operations.push((info, Box::new(move |arguments| run(arguments).boxed())));
        self
    }

    fn attribute(
        mut self,
        name: Cow<'static, str>,
        description: Cow<'static, str>,
        read: Read,
        write: Option<Setting>,
    ) -> Self {
        self.attributes.push(Attribute { info: AttributeInfo { name, description }, read, write });
        self
    }

    fn find(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.info.name == name)
    }
}

impl DynamicBean for ManagedBean {
    fn info(&self) -> BeanInfo {
        let attributes = self.attributes.iter().map(|attribute| attribute.info.clone()).collect();
        BeanInfo { description: self.description.clone(), attributes }
    }

    fn attribute(&self, name: &str) -> Option<AttributeValue> {
        (self.find(name)?.read)()
    }

    fn writable(&self) -> Vec<Writable> {
        let writable = |attribute: &Attribute| {
            let setting = attribute.write.as_ref()?;
            let version = *setting.version.lock().unwrap_or_else(PoisonError::into_inner);
            let (name, value_type) = (attribute.info.name.clone(), setting.value_type.clone());
            Some(Writable { name, value_type, version })
        };
        self.attributes.iter().filter_map(writable).collect()
    }

    fn set(&self, name: &str, value: AttributeValue, options: SetOptions) -> Result<Change, SetError> {
        let attribute = self.find(name).ok_or(SetError::NoAttribute)?;
        let setting = attribute.write.as_ref().ok_or(SetError::ReadOnly)?;
        let after = setting.value_type.accept(value)?;
        let mut version = setting.version.lock().unwrap_or_else(PoisonError::into_inner);
        if options.expected.is_some_and(|expected| expected != *version) {
            return Err(SetError::Stale { version: *version });
        }
        let before = (attribute.read)();
        if !options.dry_run {
            (setting.write)(after.clone()).map_err(SetError::Refused)?;
            *version += 1;
        }
        Ok(Change { before, after, version: *version })
    }

    fn operations(&self) -> Vec<OperationInfo> {
        self.operations.iter().map(|(info, _)| info.clone()).collect()
    }

    fn invoke(
        &self,
        operation: &str,
        arguments: Vec<AttributeValue>,
    ) -> BoxFuture<'static, Result<AttributeValue, InvokeError>> {
        let found = self.operations.iter().find(|(info, _)| info.name == operation);
        let Some((info, run)) = found else {
            return std::future::ready(Err(InvokeError::NoOperation)).boxed();
        };
        match info.accept(arguments) {
            Ok(arguments) => run(arguments).map(|done| done.map_err(InvokeError::Failed)).boxed(),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }
}

impl fmt::Debug for ManagedBean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedBean").field("description", &self.description).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    fn bean() -> (Arc<AtomicI64>, ManagedBean) {
        let level = Arc::new(AtomicI64::new(3));
        let (shown, set, reset) = (level.clone(), level.clone(), level.clone());
        let bean = ManagedBean::new("a valve")
            .shows("size", "in millimetres", || 40_i64)
            .sets(
                "level",
                "0 to 9",
                ValueType::Int { min: 0, max: 9 },
                move || shown.load(Ordering::Relaxed),
                move |value| match value {
                    AttributeValue::Int(7) => Err("seven is broken".to_owned()),
                    AttributeValue::Int(number) => {
                        set.store(number, Ordering::Relaxed);
                        Ok(())
                    }
                    _ => Err("no number".to_owned()),
                },
            )
            .does("open", "opens it", [("to", ValueType::Int { min: 0, max: 9 })], move |arguments| {
                let reset = reset.clone();
                async move {
                    let Some(AttributeValue::Int(to)) = arguments.first() else {
                        return Err("no".to_owned());
                    };
                    Ok(reset.swap(*to, Ordering::Relaxed).into())
                }
            });
        (level, bean)
    }

    #[test]
    fn a_set_is_checked_versioned_and_a_dry_run_changes_nothing() {
        let (level, bean) = bean();
        let set = |value: &str, options| bean.set("level", value.into(), options);
        let dry = SetOptions { dry_run: true, ..SetOptions::default() };
        let change = set("5", dry).unwrap();
        assert_eq!((change.before, change.after, change.version), (Some(3_i64.into()), 5_i64.into(), 0));
        assert_eq!(level.load(Ordering::Relaxed), 3);
        assert!(matches!(set("10", dry), Err(SetError::Value(_))));
        let first = SetOptions { expected: Some(0), ..SetOptions::default() };
        assert_eq!(set("5", first).unwrap().version, 1);
        assert_eq!(set("6", first), Err(SetError::Stale { version: 1 }));
        assert_eq!(set("7", SetOptions::default()), Err(SetError::Refused("seven is broken".into())));
        assert_eq!((level.load(Ordering::Relaxed), bean.writable()[0].version), (5, 1));
        assert_eq!(bean.set("size", 1_i64.into(), dry), Err(SetError::ReadOnly));
        assert_eq!(bean.set("colour", 1_i64.into(), dry), Err(SetError::NoAttribute));
    }

    #[test]
    fn an_operation_gets_arguments_of_its_types_or_is_not_run() {
        let (level, bean) = bean();
        let invoke = |name, arguments| bean.invoke(name, arguments).now_or_never().unwrap();
        assert_eq!(invoke("open", vec!["8".into()]), Ok(3_i64.into()));
        assert_eq!(invoke("open", vec![]), Err(InvokeError::Arguments { expected: 1 }));
        assert!(matches!(invoke("open", vec!["x".into()]), Err(InvokeError::Argument { .. })));
        assert_eq!(invoke("shut", vec![]), Err(InvokeError::NoOperation));
        assert_eq!(level.load(Ordering::Relaxed), 8);
    }
}
