//! `mgmt get`: managed objects of one peer or of all.

use std::fmt::Write;

use futures::StreamExt;
use mgmt_service::cli_common::CliError;
use mgmt_service::jmx::ObjectNamePattern;
use mgmt_service::net::AgentInfo;
use mgmt_service::protocol::BeanSnapshot;
use serde_json::{Map, json};

use super::output::{Output, printable};
use super::session::{Session, unanswered};

/// Asks whom `peer` means, several at a time, and shows what they answer; those that don't answer are an error at the end.
pub(super) async fn get(
    session: &Session,
    peer: &str,
    pattern: &ObjectNamePattern,
    attributes: &[String],
    json: bool,
    mut output: Output,
) -> Result<(), CliError> {
    let agents = session.whom(peer).await?;
    let several = agents.len() > 1;
    let mut missing = Missing::of(pattern, attributes);
    let asking = futures::stream::iter(agents).map(|agent| async move {
        let answer = session.manager.get(agent.peer, pattern, attributes).await;
        (agent, answer)
    });
    let mut answers = asking.buffered(AT_ONCE);
    let (mut list, mut failure) = (Vec::new(), None);
    while let Some((agent, answer)) = answers.next().await {
        if let Ok(beans) = &answer {
            missing.look_at(beans);
        }
        match answer {
            Ok(beans) if json => list.extend(beans.iter().map(|bean| to_json(&agent, bean))),
            Ok(beans) => {
                let whose = if several && !beans.is_empty() { heading(&agent) } else { String::new() };
                output.text(&(whose + &beans.iter().map(to_text).collect::<String>()))?;
            }
            Err(error) => failure = Some(unanswered(&agent, &error)),
        }
    }
    if json {
        output.line(&serde_json::Value::from(list).to_string())?;
    }
    failure.or_else(|| missing.told(peer, pattern)).map_or(Ok(()), Err)
}

/// What nobody has shown yet though it was asked for by its name.
struct Missing<'a> {
    /// The one object that the pattern means.
    object: bool,
    attributes: Vec<&'a str>,
    /// Whether any object was shown: without one, nothing is known of attributes.
    any: bool,
}

impl<'a> Missing<'a> {
    fn of(pattern: &ObjectNamePattern, attributes: &'a [String]) -> Self {
        let attributes = attributes.iter().map(String::as_str).collect();
        Self { object: pattern.is_one_name(), attributes, any: false }
    }

    fn look_at(&mut self, beans: &[BeanSnapshot]) {
        self.any |= !beans.is_empty();
        self.object &= beans.is_empty();
        for bean in beans {
            // Of one that is too large for an answer nobody knows.
            self.attributes
                .retain(|wanted| !bean.truncated && bean.attributes.iter().all(|(name, _)| name != wanted));
        }
    }

    /// The error, if something is missing.
    fn told(&self, peer: &str, pattern: &ObjectNamePattern) -> Option<CliError> {
        if self.object {
            return Some(CliError::failed(format_args!(
                "no object is called {pattern}; see `mgmt get {peer} '*:*'` for all"
            )));
        }
        let attributes = self.attributes.join(", ");
        (self.any && !attributes.is_empty()).then(|| {
            CliError::failed(format_args!(
                "no object that {pattern} means has {attributes}; ask without attributes for all of them"
            ))
        })
    }
}

/// The line before the objects of one agent of several.
fn heading(agent: &AgentInfo) -> String {
    let name = printable(&agent.name);
    format!("{name} {}\n", agent.peer).trim_start().to_owned()
}

fn to_json(agent: &AgentInfo, bean: &BeanSnapshot) -> serde_json::Value {
    let value = |value| serde_json::to_value(value).unwrap_or_default();
    let attributes: Map<_, _> =
        bean.attributes.iter().map(|(name, read)| (name.clone(), value(read))).collect();
    let mut object = json!({
        "peer": agent.peer.to_string(), "name": bean.name.to_string(), "attributes": attributes,
    });
    if bean.truncated
        && let Some(object) = object.as_object_mut()
    {
        object.insert("truncated".to_owned(), true.into());
    }
    object
}

fn to_text(bean: &BeanSnapshot) -> String {
    let mut text = format!("{}\n", printable(&bean.name.to_string()));
    for (name, value) in &bean.attributes {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {} = {}", printable(name), printable(&value.to_string()));
    }
    if bean.truncated {
        text.push_str("  (its attributes are too large for an answer)\n");
    }
    text
}

/// Agents that are asked at the same time.
const AT_ONCE: usize = 16;
