//! A Jolokia request: from JSON, or from the path of a GET with its `!` escapes.

use serde_json::{Value, json};

use super::JolokiaError;
use crate::jmx::{ObjectName, ObjectNamePattern};

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct JolokiaRequest {
    /// The peer that is asked, an id or a name; none: the manager itself.
    pub target: Option<String>,
    /// What is asked.
    pub operation: Operation,
    /// The request as the answer repeats it.
    pub echo: Value,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Who answers here.
    Version,
    /// Which objects there are and what they have.
    List {
        /// The part that is wanted: domain, properties, `attr`, a name.
        path: Vec<String>,
    },
    /// The names that match.
    Search(Wanted),
    /// Values of attributes.
    Read {
        /// Of which objects.
        wanted: Wanted,
        /// Which; none: all.
        attributes: Vec<String>,
        /// Whether one was named alone, so that its value is the answer.
        alone: bool,
        /// The part of the value that is wanted.
        path: Vec<String>,
    },
    /// An attribute gets a value.
    Write {
        /// Of which object.
        name: ObjectName,
        /// Which.
        attribute: String,
        /// What.
        value: Value,
    },
    /// An operation is carried out.
    Exec {
        /// Of which object.
        name: ObjectName,
        /// Which, perhaps with its signature in parentheses.
        operation: String,
        /// With what.
        arguments: Vec<Value>,
    },
}

/// Which objects: one by its name, or all that match.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// What names have to match.
    pub pattern: ObjectNamePattern,
    /// Whether it has wildcards, so that the answer is a table by name.
    pub many: bool,
}

impl JolokiaRequest {
    /// The request in a JSON object.
    ///
    /// # Errors
    /// [`JolokiaError`] with status 400.
    pub fn from_json(json: &Value) -> Result<Self, JolokiaError> {
        let text = |field: &str| json.get(field).and_then(Value::as_str);
        let need = |field: &'static str| {
            text(field).ok_or_else(|| JolokiaError::malformed(format_args!("field {field:?} is missing")))
        };
        let path = || text("path").map(split).unwrap_or_default();
        let operation = match need("type")?.to_ascii_lowercase().as_str() {
            "version" => Operation::Version,
            "list" => Operation::List { path: path() },
            "search" => Operation::Search(wanted(need("mbean")?)?),
            "read" => {
                let (attributes, alone) = match json.get("attribute") {
                    None | Some(Value::Null) => (Vec::new(), false),
                    Some(Value::String(one)) => (vec![one.clone()], true),
                    Some(Value::Array(many)) => (many.iter().map(as_text).collect::<Result<_, _>>()?, false),
                    Some(_) => {
                        return Err(JolokiaError::malformed("field \"attribute\" is a text or a list"));
                    }
                };
                Operation::Read { wanted: wanted(need("mbean")?)?, attributes, alone, path: path() }
            }
            "write" => Operation::Write {
                name: name(need("mbean")?)?,
                attribute: need("attribute")?.to_owned(),
                value: json.get("value").cloned().unwrap_or_default(),
            },
            "exec" => Operation::Exec {
                name: name(need("mbean")?)?,
                operation: need("operation")?.to_owned(),
                arguments: json.get("arguments").and_then(Value::as_array).cloned().unwrap_or_default(),
            },
            other => return Err(JolokiaError::unsupported(&format!("type {other:?}"))),
        };
        Ok(Self { target: target(json)?, operation, echo: json.clone() })
    }

    /// The request in the path of a GET, percent signs decoded: `read/MBEAN/ATTRIBUTE`, `list/DOMAIN`, … A GET changes
    /// nothing, so `write` and `exec` are refused.
    ///
    /// # Errors
    /// [`JolokiaError`] with status 400, or 403 for what would change something.
    pub fn from_path(path: &str) -> Result<Self, JolokiaError> {
        let parts = split(path);
        let mut parts = parts.into_iter();
        let kind = parts.next().unwrap_or_default();
        let mut json = json!({ "type": kind });
        let mut put = |field: &str, value: Option<String>| {
            if let (Some(value), Some(fields)) = (value, json.as_object_mut()) {
                fields.insert(field.to_owned(), value.into());
            }
        };
        match kind.as_str() {
            "version" => {}
            "read" => {
                put("mbean", parts.next());
                put("attribute", parts.next());
            }
            "search" => put("mbean", parts.next()),
            "list" => {}
            "write" | "exec" => {
                return Err(JolokiaError::forbidden("a GET changes nothing; use POST"));
            }
            other => return Err(JolokiaError::unsupported(&format!("type {other:?}"))),
        }
        let rest: Vec<String> = parts.map(|part| part.replace('!', "!!").replace('/', "!/")).collect();
        put("path", (!rest.is_empty()).then(|| rest.join("/")));
        Self::from_json(&json)
    }
}

fn as_text(value: &Value) -> Result<String, JolokiaError> {
    value.as_str().map(str::to_owned).ok_or_else(|| JolokiaError::malformed("an attribute's name is a text"))
}

fn target(json: &Value) -> Result<Option<String>, JolokiaError> {
    let url = match json.get("target") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(url)) => Some(url.as_str()),
        Some(target) => target.get("url").and_then(Value::as_str),
    };
    let url =
        url.ok_or_else(|| JolokiaError::malformed("field \"target\" needs a \"url\" such as juxta:PEER"))?;
    Ok(Some(url.strip_prefix("juxta:").unwrap_or(url).to_owned()))
}

fn wanted(text: &str) -> Result<Wanted, JolokiaError> {
    let pattern = text.parse().map_err(|error| JolokiaError::malformed(format_args!("mbean: {error}")))?;
    Ok(Wanted { pattern, many: text.contains(['*', '?']) })
}

fn name(text: &str) -> Result<ObjectName, JolokiaError> {
    text.parse().map_err(|error| JolokiaError::malformed(format_args!("mbean: {error}")))
}

/// The parts of a path; `!/` is a slash, `!!` an exclamation mark, `!` and another character that character.
fn split(path: &str) -> Vec<String> {
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for character in path.chars() {
        match character {
            _ if escaped => {
                part.push(character);
                escaped = false;
            }
            '!' => escaped = true,
            '/' => parts.push(std::mem::take(&mut part)),
            _ => part.push(character),
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}
