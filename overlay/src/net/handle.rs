//! What every handle of a peer holds: the way to its event loop, and what it shares with it.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use super::command::Command;
use super::lease::Way;
use super::pipe_stream::open_error;
use super::session::SessionHandle;
use super::shared::Shared;
use crate::advertisement::{AdvertisementKind, DiscoveryQuery, SignedAdvertisement};
use crate::core::Reached;
use crate::error::ConnectError;
use crate::id::GroupId;
use crate::limits::{LOOKUP_HEAD_START, QUERY_DEADLINE_MAX};

/// A peer, as its public handles see it. When the last clone is dropped, the event loop ends.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: mpsc::Sender<Command>,
}

impl Handle {
    /// The rendezvous whose lease holds.
    pub(crate) fn leased(&self) -> Vec<PeerId> {
        self.shared.leases.borrow().held.clone()
    }

    /// A session with `to`, looking it up at the rendezvous when its remembered addresses don't do, or not soon.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(crate) async fn reach_session(&self, to: PeerId) -> Result<SessionHandle, ConnectError> {
        self.reach_measured(to, &ReachSteps::default()).await
    }

    /// As [`reach_session`](Self::reach_session); `steps` notes how long each took, also when this is dropped.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(crate) async fn reach_measured(
        &self,
        to: PeerId,
        steps: &ReachSteps,
    ) -> Result<SessionHandle, ConnectError> {
        if let Some(session) = self.shared.sessions.of(&to) {
            return Ok(session);
        }
        steps.begin(|reached| &mut reached.dial);
        let mut remembered = pin!(self.session(to, Vec::new()));
        let mut failed = None;
        match tokio::time::timeout(LOOKUP_HEAD_START, &mut remembered).await {
            Ok(Err(error)) if is_not_there(&error) => failed = Some(error),
            Ok(ended) => return ended,
            Err(_) => {}
        }
        steps.begin(|reached| &mut reached.lookup);
        let query = DiscoveryQuery::new().kind(AdvertisementKind::Peer).publisher(to).threshold(1);
        let answers = self.find_remotely(Way::Open, &query);
        let mut looking = pin!(answers.any(async |found| !found.is_empty()));
        let is_found = loop {
            tokio::select! {
                is_found = &mut looking => break is_found,
                ended = &mut remembered, if failed.is_none() => match ended {
                    Err(error) if is_not_there(&error) => failed = Some(error),
                    ended => {
                        // The lookup was of no use: what was waited for was the dial.
                        steps.rename(|reached| &mut reached.dial);
                        return ended;
                    }
                },
            }
        };
        match failed {
            // What was found is dialed beside what still may answer.
            _ if is_found => {
                steps.begin(|reached| &mut reached.dial);
                self.session(to, Vec::new()).await
            }
            Some(unreachable) => Err(unreachable),
            None => {
                steps.rename(|reached| &mut reached.dial);
                remembered.await
            }
        }
    }

    /// A session with `peer`, dialing it at `addresses` and those remembered.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(crate) async fn session(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> Result<SessionHandle, ConnectError> {
        let (reply, session) = oneshot::channel();
        let command = Command::Session { peer, addresses, reply };
        self.commands.send(command).await.map_err(|_| ConnectError::Closed)?;
        session.await.map_err(|_| ConnectError::Closed)?.map_err(open_error)
    }

    /// The peers that may be asked in `group` at once: those that have proven their place in a closed group, all with
    /// a session in an open one.
    pub(crate) fn present_in(&self, group: &GroupId) -> Vec<PeerId> {
        let closed = self.shared.is_member(group);
        let mut sessions = self.shared.sessions.all();
        sessions.retain(|(peer, _)| !closed || self.shared.lets_in(peer, group));
        sessions.into_iter().map(|(peer, _)| peer).collect()
    }

    /// What is known here.
    pub(crate) async fn find_locally(&self, query: DiscoveryQuery) -> Vec<SignedAdvertisement> {
        let (reply, found) = oneshot::channel();
        if self.commands.send(Command::Find { query, reply }).await.is_err() {
            return Vec::new();
        }
        found.await.unwrap_or_default().into_iter().map(Arc::unwrap_or_clone).collect()
    }
}

/// Whether a peer may be elsewhere.
fn is_not_there(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Unreachable { .. } | ConnectError::Relay(_))
}

/// How far the way to a peer has come; can be read meanwhile, and when it was not reached.
#[derive(Debug, Default)]
pub struct ReachSteps(Mutex<Steps>);

#[derive(Debug, Default, Clone, Copy)]
struct Steps {
    ended: Reached,
    /// The step that runs, since when.
    running: Option<(Step, Instant)>,
}

type Step = fn(&mut Reached) -> &mut Duration;

impl ReachSteps {
    /// How long each step took until now.
    pub fn so_far(&self) -> Reached {
        let Steps { mut ended, running } = *self.lock();
        if let Some((step, since)) = running {
            *step(&mut ended) += since.elapsed();
        }
        ended
    }

    /// Ends the step that runs, if one does, and begins the next.
    fn begin(&self, step: Step) {
        self.end();
        self.lock().running = Some((step, Instant::now()));
    }

    /// What runs was a step of another kind.
    fn rename(&self, step: Step) {
        if let Some((running, _)) = &mut self.lock().running {
            *running = step;
        }
    }

    /// Ends the step that runs, if one does.
    pub(crate) fn end(&self) {
        let ended = self.so_far();
        *self.lock() = Steps { ended, running: None };
    }

    fn lock(&self) -> MutexGuard<'_, Steps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until when something is awaited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(super) until: Instant,
    /// How long that was when it was set, which is what who waits is told.
    pub(super) after: Duration,
}

impl Deadline {
    /// So long from now.
    pub(crate) fn after(after: Duration) -> Self {
        let now = Instant::now();
        // Nobody sees the end of a deadline that no clock can show.
        Self { until: now.checked_add(after).unwrap_or(now + QUERY_DEADLINE_MAX), after }
    }
}

/// What `doing` comes to, or that it took too long.
pub(crate) async fn within<T>(
    deadline: Duration,
    doing: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    tokio::time::timeout(deadline, doing).await.unwrap_or(Err(ConnectError::TimedOut { after: deadline }))
}
