//! The messenger as programs hold it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use mgmt_service::arm::{Application, TransactionDefinition, Waits};
use mgmt_service::jmx::ManagedBean;
use overlay::{Genesis, Multiaddr, Peer, PeerId, PipeId};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use super::actor::{Actor, CURSOR_KEY, Inbound, Parts, buddy_pipe, wall_ms};
use super::disk::Disk;
use super::face::{Ended, Face};
use super::manage::managed;
use crate::error::StoreError;
use crate::limits::{COMMANDS_MAX, PING_PERIOD};
use crate::messenger::{Core, Counters, Input, Moment, Own};

/// How a messenger is to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file of its database.
    pub database: PathBuf,
    /// Its user's name.
    pub name: String,
    /// Rendezvous that its invite names.
    pub rendezvous: Vec<Multiaddr>,
    /// Time between two PINGs to a buddy.
    pub ping_period: Duration,
    /// After which a PING counts as unanswered.
    pub ping_timeout: Duration,
}

impl Settings {
    /// The defaults, for a database and a name.
    pub fn new(database: PathBuf, name: String) -> Self {
        Self { database, name, rendezvous: Vec::new(), ping_period: PING_PERIOD, ping_timeout: PING_PERIOD }
    }
}

/// Why a messenger could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MeetError {
    /// Its database can't be used.
    #[error("start the messenger: {0}")]
    Store(#[from] StoreError),
    /// Its pipe is taken: another messenger runs on this peer.
    #[error("start the messenger: {0}")]
    Pipe(#[from] overlay::BindError),
    /// Its measurements can't be defined.
    #[error("start the messenger: {0}")]
    Measure(#[from] mgmt_service::error::DefineError),
    /// The operating system has no random bytes.
    #[error("start the messenger: {0}")]
    Random(std::io::Error),
    /// A thread failed.
    #[error("start the messenger: its thread failed")]
    Thread,
}

/// A running messenger. Clones are the same one; it ends politely by [`shutdown`](Self::shutdown) or a face's `quit`,
/// and also when all clones and faces are gone.
#[derive(Debug, Clone)]
pub struct Messenger {
    inputs: mpsc::Sender<Inbound>,
    ended: watch::Receiver<Option<Result<(), Arc<StoreError>>>>,
    application: Application,
    counters: Counters,
    peer: PeerId,
    ping_period: Arc<AtomicU64>,
}

impl Messenger {
    /// Starts the messenger of `peer`: opens its database, binds its pipe in the open group `im`, dials its buddies.
    ///
    /// # Errors
    /// [`MeetError`].
    pub async fn spawn(peer: &Peer, settings: Settings) -> Result<Self, MeetError> {
        let database = settings.database.clone();
        let opened = tokio::task::spawn_blocking(move || Disk::open(&database)).await;
        let (disk, kept) = opened.map_err(|_| MeetError::Thread)??;
        let group = peer.join(&Genesis::open("im"));
        let listener = group.bind(buddy_pipe(&group, &peer.id()))?;
        let boot_key = PipeId::random().map_err(MeetError::Random)?;
        let application = Application::identified(peer.id(), *boot_key.as_bytes(), "im", "");
        let transaction = application.define(TransactionDefinition {
            values: vec![Waits::definition()],
            ..TransactionDefinition::new(PING, settings.ping_timeout)
        })?;
        let counters = Counters::default();
        let ping_period = AtomicU64::new(u64::try_from(settings.ping_period.as_millis()).unwrap_or(u64::MAX));
        let cursor = kept.settings.get(CURSOR_KEY).and_then(|text| text.parse().ok()).unwrap_or(1);
        let own = Own {
            peer: peer.id(),
            name: settings.name,
            addresses: peer.addresses(),
            rendezvous: settings.rendezvous,
            ping_period: settings.ping_period,
            ping_timeout: settings.ping_timeout,
        };
        let moment = Moment { now: Instant::now(), wall_ms: wall_ms() };
        let core = Core::start(moment, own, kept, counters.clone());
        let (inputs, queue) = mpsc::channel(COMMANDS_MAX);
        let presence = core.presence().clone();
        let actor = Actor::new(Parts {
            core,
            peer: peer.clone(),
            group,
            listener,
            disk,
            application: application.clone(),
            transaction,
            counters: counters.clone(),
            inputs: (inputs.downgrade(), queue),
            cursor,
            presence,
        });
        let (ending, ended) = watch::channel(None);
        tokio::spawn(async move {
            // Reported even when nobody waits any more: the value stays in the channel.
            ending.send_replace(Some(actor.run().await));
        });
        let ping_period = Arc::new(ping_period);
        Ok(Self { inputs, ended, application, counters, peer: peer.id(), ping_period })
    }

    /// Whose messenger this is.
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// A new face: it is told `ready` and the presence of each buddy, then all that happens. Cancel-safe.
    ///
    /// # Errors
    /// [`Ended`], also when `FACES_MAX` faces are there.
    pub async fn attach(&self) -> Result<Face, Ended> {
        let (answer, attached) = oneshot::channel();
        self.inputs.send(Inbound::Attach(answer)).await.map_err(|_| Ended)?;
        attached.await.ok().flatten().ok_or(Ended)
    }

    /// Tells the user something that only the program around the messenger knows. Cancel-safe.
    pub async fn warn(&self, code: &'static str, message: String) {
        // One that has ended tells nobody any more.
        let _ = self.inputs.send(Inbound::Core(Input::Warn { code, message })).await;
    }

    /// What measures its PINGs, for a management agent.
    pub fn application(&self) -> &Application {
        &self.application
    }

    /// What it counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What of it can be set and done, as a managed object; it does not keep the messenger from ending.
    pub fn managed(&self) -> ManagedBean {
        managed(self.inputs.downgrade(), self.ping_period.clone())
    }

    /// Ends it: buddies see this peer offline, everything is on the disk. Returns when it has ended.
    ///
    /// # Errors
    /// What was wrong with the disk, when that is why it ended.
    pub async fn shutdown(&self) -> Result<(), Arc<StoreError>> {
        // It may have ended already, which is what is wanted.
        let _ = self.inputs.send(Inbound::Quit).await;
        self.ended().await
    }

    /// Waits until it has ended. Cancel-safe.
    ///
    /// # Errors
    /// What was wrong with the disk, when that is why it ended.
    pub async fn ended(&self) -> Result<(), Arc<StoreError>> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or(Ok(())),
            Err(_) => Err(Arc::new(StoreError::Closed)),
        }
    }
}

/// The transaction that each PING is (paper §4.2).
const PING: &str = "presence.ping";
