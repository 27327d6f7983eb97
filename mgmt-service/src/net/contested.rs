//! Pseudonyms that more than one agent claims: nobody can tell whose one is, so neither is believed.
//!
//! In: agents as they describe themselves. Out: which of their claims can't be believed. Pure.

use std::collections::HashSet;

use overlay::PeerId;

use super::manager::AgentInfo;

/// The ids under which more than one of these agents would be seen.
pub(super) fn contested<'a>(agents: impl IntoIterator<Item = &'a AgentInfo>) -> HashSet<PeerId> {
    let mut seen = HashSet::new();
    agents.into_iter().map(claim).filter(|claim| !seen.insert(*claim)).collect()
}

/// Under which id an agent would be seen. One without a pseudonym is seen by its own, which others may claim too.
pub(super) fn claim(agent: &AgentInfo) -> PeerId {
    agent.pseudonym.unwrap_or(agent.peer)
}
