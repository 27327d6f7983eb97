//! What objects answer, in Jolokia's shapes.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{JolokiaError, Wanted};
use crate::jmx::{AttributeValue, ObjectName};
use crate::protocol::{BeanSnapshot, Described};

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

/// The value of `list`: domain → properties → `{desc, attr:{name:{type, desc, rw}}, op:{name:{args, ret, desc}}}`. What is
/// not among `described` has the attributes that it shows, and no operations.
///
/// # Errors
/// 404 when there is nothing at the path.
pub fn listing(
    beans: &[BeanSnapshot],
    described: &HashMap<ObjectName, Described>,
    path: &[String],
) -> Result<Value, JolokiaError> {
    let mut domains: Map<String, Value> = Map::new();
    for bean in beans {
        let properties = bean.name.to_string();
        let properties = properties.split_once(':').map_or("", |(_, properties)| properties).to_owned();
        let listed = listed(bean, described.get(&bean.name));
        let domain = domains.entry(bean.name.domain().to_owned()).or_insert_with(|| json!({}));
        if let Value::Object(domain) = domain {
            domain.insert(properties, listed);
        }
    }
    follow(Value::Object(domains), path)
}

fn listed(bean: &BeanSnapshot, described: Option<&Described>) -> Value {
    let attribute = |(name, value): &(String, AttributeValue)| {
        let known = described.and_then(|known| known.attributes.iter().find(|known| known.name == *name));
        let desc = known.map_or(name.as_str(), |known| &known.description);
        let rw = known.is_some_and(|known| known.set.is_some());
        (name.clone(), json!({ "type": java_type(value), "desc": desc, "rw": rw }))
    };
    let attributes: Map<String, Value> = bean.attributes.iter().map(attribute).collect();
    let operations = described.map(|known| known.operations.as_slice()).unwrap_or_default();
    let operations: Map<String, Value> = operations
        .iter()
        .map(|operation| {
            let argument = |(name, values): &(String, String)| json!({ "name": name, "type": "java.lang.String", "desc": values });
            let arguments: Vec<Value> = operation.parameters.iter().map(argument).collect();
            let shown = json!({ "args": arguments, "ret": "java.lang.Object", "desc": operation.description });
            (operation.name.clone(), shown)
        })
        .collect();
    let desc = described.map_or("", |known| &known.description);
    json!({ "desc": desc, "class": "juxta", "attr": attributes, "op": operations })
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
