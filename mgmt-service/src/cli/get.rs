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
    let asking = futures::stream::iter(agents).map(|agent| async move {
        let answer = session.manager.get(agent.peer, pattern, attributes).await;
        (agent, answer)
    });
    let mut answers = asking.buffered(AT_ONCE);
    let (mut list, mut failure) = (Vec::new(), None);
    while let Some((agent, answer)) = answers.next().await {
        match answer {
            Ok(beans) if json => list.extend(beans.iter().map(|bean| to_json(&agent, bean))),
            Ok(beans) => output.text(&beans.iter().map(to_text).collect::<String>())?,
            Err(error) => failure = Some(unanswered(&agent, &error)),
        }
    }
    if json {
        output.line(&serde_json::Value::from(list).to_string())?;
    }
    failure.map_or(Ok(()), Err)
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
