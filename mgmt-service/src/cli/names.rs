//! Names of peers for people's eyes, as their agents give them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use mgmt_service::net::{AgentInfo, Manager};
use overlay::PeerId;

use super::output::printable;

/// Names that are learned while records are shown; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<RwLock<HashMap<PeerId, String>>>);

impl Names {
    pub(super) fn learn(&self, agents: Vec<AgentInfo>) {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for agent in agents.into_iter().filter(|agent| !agent.name.is_empty()) {
            names.insert(agent.peer, printable(&agent.name));
        }
    }

    /// The name of a peer, or the end of its id.
    pub(super) fn of(&self, peer: &PeerId) -> String {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(peer).cloned().unwrap_or_else(|| {
            let id = peer.to_string();
            format!("…{}", id.get(id.len().saturating_sub(ID_CHARS)..).unwrap_or(&id))
        })
    }
}

/// Agents under the ids that their records have for this manager.
pub(super) fn as_seen(manager: &Manager, mut agents: Vec<AgentInfo>) -> Vec<AgentInfo> {
    agents.iter_mut().for_each(|agent| *agent = manager.shown(agent));
    agents
}

/// Characters of an id that are shown.
const ID_CHARS: usize = 8;
