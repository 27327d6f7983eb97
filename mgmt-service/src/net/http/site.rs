//! What every request of the web face shares; cheap to clone.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use overlay::PeerId;
use serde_json::Value;
use tokio::sync::watch;

use super::history::History;
use super::looks::Looks;
use crate::jmx::BeanServer;
use crate::net::Manager;
use crate::web::{Board, Doors, Entry, ManagerGauges, Metrics};

/// The board, the metrics, the manager that asks peers, and who may enter.
#[derive(Clone)]
pub struct Site {
    inner: Arc<Inner>,
    history: Option<History>,
    ended: watch::Receiver<bool>,
    port: u16,
}

struct Inner {
    board: Arc<Mutex<Board>>,
    metrics: Arc<Mutex<Metrics>>,
    gauges: Box<dyn Fn() -> ManagerGauges + Send + Sync>,
    states: watch::Receiver<Arc<str>>,
    manager: Manager,
    beans: BeanServer,
    doors: Mutex<Doors>,
    looks: Looks,
}

impl Site {
    /// A site that shows `board`, whose state as JSON somebody puts into `states`, and `metrics` with `gauges` asked at
    /// each scrape. `beans` are the manager's own objects, `program` the token that lets programs in.
    #[must_use]
    pub fn new(
        (board, states): (Arc<Mutex<Board>>, watch::Receiver<Arc<str>>),
        metrics: Arc<Mutex<Metrics>>,
        gauges: impl Fn() -> ManagerGauges + Send + Sync + 'static,
        (manager, beans): (Manager, BeanServer),
        program: &Entry,
    ) -> Self {
        let doors = Mutex::new(Doors::new(program));
        let inner = Inner {
            board,
            metrics,
            gauges: Box::new(gauges),
            states,
            manager,
            beans,
            doors,
            looks: Looks::new(),
        };
        // Until it is bound it is on no port and never ends.
        let (_, ended) = watch::channel(false);
        Self { inner: Arc::new(inner), history: None, ended, port: 0 }
    }

    /// Shows the past as well: `tell` says it of a span by its name and perhaps a pair, as JSON or why not; none when there
    /// is no such span. It is called on a thread where blocking is allowed, once at a time.
    #[must_use]
    pub fn with_history(
        mut self,
        tell: impl Fn(&str, Option<(PeerId, PeerId)>) -> Option<Result<Value, String>> + Send + Sync + 'static,
    ) -> Self {
        self.history = Some(History::new(Arc::new(tell)));
        self
    }

    /// Who looks at it.
    #[must_use]
    pub fn looks(&self) -> &Looks {
        &self.inner.looks
    }

    pub(super) fn at(mut self, address: SocketAddr, ended: watch::Receiver<bool>) -> Self {
        (self.port, self.ended) = (address.port(), ended);
        self
    }

    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.inner.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.inner.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn doors(&self) -> MutexGuard<'_, Doors> {
        self.inner.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn gauges(&self) -> ManagerGauges {
        (self.inner.gauges)()
    }

    pub(super) fn states(&self) -> watch::Receiver<Arc<str>> {
        self.inner.states.clone()
    }

    pub(super) fn manager(&self) -> &Manager {
        &self.inner.manager
    }

    pub(super) fn beans(&self) -> &BeanServer {
        &self.inner.beans
    }

    pub(super) fn history(&self) -> Option<History> {
        self.history.clone()
    }

    pub(super) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.clone()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("port", &self.port).finish_non_exhaustive()
    }
}
