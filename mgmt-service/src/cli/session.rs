//! One run of a command: the data directory, the peer, its rendezvous.

use std::io;
use std::path::Path;
use std::time::Duration;

use mgmt_service::aggregate::Checks;
use mgmt_service::cli_common::{CliError, DataDir, ManagePolicy, Settings, unmanageable, within_polite_end};
use mgmt_service::error::{AgentError, DataDirError, GetError};
use mgmt_service::jmx::BeanServer;
use mgmt_service::net::{AgentInfo, ManagementAgent, ManagementGroup, Manager};
use overlay::{Peer, PeerId, QueryError, SpawnError};

use super::args::Command;
use super::group::entering;

/// How a session comes into the management group; else by what is kept, or not at all.
#[derive(Debug)]
pub(super) enum Entering {
    /// As its creator.
    Create,
    /// By this ticket.
    Ticket(String),
    /// As what is kept, which must be there; where it is not, a user is told this.
    Kept(&'static str),
}

/// A manager that is there for others to answer.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) manager: Manager,
    pub(super) data_dir: DataDir,
    /// The management group, for who is in it.
    pub(super) group: Option<ManagementGroup>,
    pub(super) peer: Peer,
    /// What its own agent shows.
    pub(super) beans: BeanServer,
    /// The manager's own agent: it too can be managed, when it is asked to.
    agent: ManagementAgent,
}

impl Session {
    /// Starts the peer of the data directory and waits for its rendezvous.
    pub(super) async fn start(
        settings: Settings,
        data_dir: DataDir,
        entering: Option<Entering>,
    ) -> Result<Self, CliError> {
        let name = data_dir.name(settings.name.as_deref()).map_err(unusable)?;
        let name = name.as_deref().unwrap_or("manager");
        let keypair = overlay::identity::load_or_create(&data_dir.identity_file())
            .map_err(|error| CliError::failed(format_args!("failed to {error}")))?;
        let mut builder = Peer::builder().keypair(keypair).peer_attribute("name", name);
        for address in settings.listen {
            builder = builder.listen(address);
        }
        for address in settings.rendezvous {
            builder = builder.rendezvous(address);
        }
        let peer = builder.spawn().await.map_err(|error| match error {
            SpawnError::RendezvousAddress { .. } => CliError::usage(format_args!("failed to {error}")),
            error => CliError::failed(format_args!("failed to {error}")),
        })?;
        if let Err(error) = peer.wait_leased(LEASE_TIMEOUT).await {
            peer.shutdown().await;
            return Err(CliError::unreachable(format_args!(
                "failed to {error}; check that it runs and that --rendezvous is the address it prints"
            )));
        }
        let policy = settings.manage.unwrap_or(ManagePolicy::Off);
        let entering = match &policy {
            ManagePolicy::Ticket(ticket) if entering.is_none() => Some(Entering::Ticket(ticket.to_string())),
            _ => entering,
        };
        let group = match enter(&peer, data_dir.path(), entering).await {
            Ok(group) => group,
            Err(error) => {
                // Its tasks end before the program does, which else is told as a fault.
                peer.shutdown().await;
                return Err(error);
            }
        };
        let (beans, dir) = (BeanServer::new(), data_dir.path());
        let agent = match (&group, &policy) {
            (Some(group), ManagePolicy::Ticket(_)) => {
                ManagementAgent::start_in(group.clone(), &peer, name, None, beans.clone(), dir)
            }
            _ => ManagementAgent::start(&peer, name, None, beans.clone(), &policy, dir).await,
        };
        let agent = agent.map_err(|error| unmanageable(&error))?;
        let manager = match &group {
            Some(group) => Manager::in_group(&peer, group.group().clone()),
            None => Manager::new(&peer),
        };
        Ok(Self { manager, data_dir, group, peer, beans, agent })
    }

    /// Whether a command that needs a place in the group finds one; a session of its own would not have started.
    pub(super) fn may(&self, command: &Command) -> Result<(), CliError> {
        match entering(command, None) {
            Some(Entering::Kept(otherwise)) if self.group.is_none() => Err(no_group(otherwise)),
            _ => Ok(()),
        }
    }

    /// The agents that are there now.
    pub(super) async fn agents(&self) -> Vec<AgentInfo> {
        self.manager.agents(AGENTS_TIMEOUT).await
    }

    /// Who `text` means: an id, the name of an agent, or `*` for all agents.
    pub(super) async fn whom(&self, text: &str) -> Result<Vec<AgentInfo>, CliError> {
        if let Ok(peer) = text.parse::<PeerId>() {
            return Ok(vec![AgentInfo { peer, name: "".into(), application: "".into(), pseudonym: None }]);
        }
        let mut agents = self.agents().await;
        if text == "*" {
            return Ok(agents);
        }
        agents.retain(|agent| &*agent.name == text);
        match agents.len() {
            0 => Err(CliError::unreachable(format_args!("no agent is called {text:?}; see `mgmt agents`"))),
            1 => Ok(agents),
            count => Err(CliError::usage(format_args!(
                "{count} agents are called {text:?}; name the one you mean by its id, see `mgmt agents`"
            ))),
        }
    }

    /// Writes down who was contradicted, where this manager's agent keeps its audit log.
    pub(super) fn note(&self, checks: &Checks) -> Result<(), CliError> {
        let noted = self.agent.note_contradictions(checks, self.data_dir.path());
        noted.map_err(|error| CliError::failed(format_args!("failed to {error}")))
    }

    /// Ends politely.
    pub(super) async fn end(self) {
        let Self { peer, agent, .. } = self;
        // What takes longer is cut off when the process ends.
        let _ = within_polite_end(async {
            agent.shutdown().await;
            peer.shutdown().await;
        })
        .await;
    }
}

/// What a user is told when an agent did not answer.
pub(super) fn unanswered(agent: &AgentInfo, error: &GetError) -> CliError {
    let sentence = format!("failed to {error} ({})", agent.peer);
    match error {
        GetError::Query(QueryError::Refused(_) | QueryError::NoHandler) => CliError::refused(format_args!(
            "{sentence}; enter its management group with `mgmt join`, or start that peer with --manage open"
        )),
        GetError::Query(QueryError::Unreachable(_) | QueryError::TimedOut { .. } | QueryError::Closed) => {
            CliError::unreachable(format_args!("{sentence}; see `mgmt agents` for who is there"))
        }
        _ => CliError::failed(sentence),
    }
}

/// The place in the management group, if there is one.
async fn enter(
    peer: &Peer,
    dir: &Path,
    entering: Option<Entering>,
) -> Result<Option<ManagementGroup>, CliError> {
    let entered = match entering {
        Some(Entering::Create) => ManagementGroup::create(peer, dir).await.map(Some),
        Some(Entering::Ticket(ticket)) => ManagementGroup::enter(peer, dir, &ticket).await.map(Some),
        Some(Entering::Kept(otherwise)) => match ManagementGroup::restore(peer, dir) {
            Ok(None) => {
                return Err(no_group(otherwise));
            }
            kept => kept,
        },
        None => ManagementGroup::restore(peer, dir),
    };
    entered.map_err(|error| unmanageable(&AgentError::Membership(error)))
}

fn no_group(otherwise: &str) -> CliError {
    CliError::refused(format_args!("this data directory holds no management group; {otherwise}"))
}

/// What a user is told of a data directory.
pub(super) fn unusable(error: DataDirError) -> CliError {
    match &error {
        DataDirError::Name { .. } => CliError::usage(error),
        DataDirError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            CliError::failed(format_args!("failed to use {error}; name another directory with --data-dir"))
        }
        _ => CliError::failed(format_args!("failed to use the data directory: {error}")),
    }
}

/// How long the rendezvous may take to grant a lease.
const LEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long agents are looked for; all rendezvous answer sooner, but one that is lost, or a machine that stands still.
const AGENTS_TIMEOUT: Duration = Duration::from_secs(10);
