//! What objects answer, in Jolokia's shapes.

use serde_json::{Map, Value, json};

use super::{JolokiaError, Wanted};
use crate::jmx::AttributeValue;
use crate::protocol::BeanSnapshot;

/// The value of `read`: one value, a table of them, or with a pattern a table by name.
///
/// # Errors
/// 404 when no object matches, or the attribute or path is not there.
pub fn reading(
    wanted: &Wanted,
    beans: &[BeanSnapshot],
    attributes: &[String],
    alone: bool,
    path: &[String],
) -> Result<Value, JolokiaError> {
    let whole = if wanted.many {
        let tables = beans.iter().map(|bean| (bean.name.to_string(), table(bean)));
        let tables: Map<String, Value> = tables.filter(|(_, table)| !is_empty(table)).collect();
        if tables.is_empty() {
            return Err(JolokiaError::no_instance(&wanted.pattern.to_string()));
        }
        Value::Object(tables)
    } else {
        let bean = beans.first().ok_or_else(|| JolokiaError::no_instance(&wanted.pattern.to_string()))?;
        let missing = |name: &&String| !bean.attributes.iter().any(|(known, _)| known == *name);
        if let Some(missing) = attributes.iter().find(missing) {
            return Err(JolokiaError::no_attribute(missing));
        }
        match bean.attributes.first() {
            Some((_, value)) if alone => plain(value),
            _ => table(bean),
        }
    };
    follow(whole, path)
}

/// The value of `list`: domain → properties → `{desc, attr:{name:{type, desc, rw}}, op}`.
///
/// # Errors
/// 404 when there is nothing at the path.
pub fn listing(beans: &[BeanSnapshot], path: &[String]) -> Result<Value, JolokiaError> {
    let mut domains: Map<String, Value> = Map::new();
    for bean in beans {
        let properties = bean.name.to_string();
        let properties = properties.split_once(':').map_or("", |(_, properties)| properties).to_owned();
        let attributes: Map<String, Value> = bean
            .attributes
            .iter()
            .map(|(name, value)| {
                (name.clone(), json!({ "type": java_type(value), "desc": name, "rw": false }))
            })
            .collect();
        let described = json!({ "desc": "", "class": "juxta", "attr": attributes, "op": {} });
        let domain = domains.entry(bean.name.domain().to_owned()).or_insert_with(|| json!({}));
        if let Value::Object(domain) = domain {
            domain.insert(properties, described);
        }
    }
    follow(Value::Object(domains), path)
}

/// The value of `search`.
#[must_use]
pub fn names(beans: &[BeanSnapshot]) -> Value {
    beans.iter().map(|bean| Value::from(bean.name.to_string())).collect()
}

fn follow(mut value: Value, path: &[String]) -> Result<Value, JolokiaError> {
    for part in path {
        let inner = value.get_mut(part).map(Value::take);
        value = inner.ok_or_else(|| JolokiaError::no_attribute(&path.join("/")))?;
    }
    Ok(value)
}

fn table(bean: &BeanSnapshot) -> Value {
    let fields: Map<String, Value> =
        bean.attributes.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
    Value::Object(fields)
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn plain(value: &AttributeValue) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn java_type(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::Str(_) => "java.lang.String",
        AttributeValue::Int(_) => "long",
        AttributeValue::Float(_) => "double",
        AttributeValue::Bool(_) => "boolean",
    }
}
