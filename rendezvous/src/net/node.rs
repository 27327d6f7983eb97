//! A whole rendezvous node: the peer, what it serves, and what its operator may ask of it.
//!
//! In: a peer, limits, the data directory. Out: answers to an operator, numbers to a scrape, objects to a manager.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mgmt_service::error::{ObjectNameError, RegisterError};
use mgmt_service::jmx::{BeanServer, CounterBean, ManagedBean, ObjectName, Registration, ValueType};
use overlay::Peer;
use serde_json::{Value, json};

use super::control::{Control, ControlRequest};
use super::http::Measured;
use super::server::{ServeError, Server};
use crate::bans::{BanList, BanListError};
use crate::counters::Row;
use crate::limits::Limits;

/// A running node. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Node {
    peer: Peer,
    server: Server,
    bans: Arc<Mutex<BanList>>,
    started: (Instant, SystemTime),
}

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The peer serves already.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The list of bans can't be used.
    #[error(transparent)]
    Bans(#[from] BanListError),
    /// Its managed object has no valid name.
    #[error(transparent)]
    Name(#[from] ObjectNameError),
    /// Its managed object can't be registered.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

impl Node {
    /// Serves on `peer` with the bans kept in `data_dir`.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn start(peer: &Peer, limits: &Limits, data_dir: &Path) -> Result<Self, NodeError> {
        let bans = BanList::load(data_dir)?;
        let server = Server::spawn(peer, limits)?;
        for banned in bans.peers() {
            // The list holds no more than a rendezvous can, and this one has just started.
            let _ = server.ban(*banned).await;
        }
        let started = (Instant::now(), SystemTime::now());
        Ok(Self { peer: peer.clone(), server, bans: Arc::new(Mutex::new(bans)), started })
    }

    /// What serves.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Registers what is counted as the object `juxta:type=rendezvous`.
    ///
    /// # Errors
    /// [`NodeError::Register`] when another object has that name.
    pub fn register(&self, beans: &BeanServer) -> Result<Registration, NodeError> {
        let counters = self.server.status();
        let bean = CounterBean::new("what a rendezvous counts", move || counters.snapshot());
        Ok(beans.register(ObjectName::new("juxta", [("type", "rendezvous")])?, Arc::new(bean))?)
    }

    /// Registers what can be done here as the object `juxta:type=rendezvous-control`: `ban`, which is kept over restarts.
    ///
    /// # Errors
    /// [`NodeError::Register`] when another object has that name.
    pub fn register_control(&self, beans: &BeanServer) -> Result<Registration, NodeError> {
        let node = self.clone();
        let peer = ValueType::Text { bytes_max: PEER_TEXT_BYTES_MAX };
        let bean = ManagedBean::new("what a rendezvous can be told").does(
            "ban",
            "closes a peer's connections, ends its lease, and refuses it from now on",
            [("peer", peer)],
            move |arguments| {
                let node = node.clone();
                async move {
                    let text = arguments.first().map(ToString::to_string).unwrap_or_default();
                    let peer = text.parse().map_err(|error| format!("no peer id: {error}"))?;
                    let answer = node.answer(ControlRequest::Ban { peer }).await?;
                    Ok(answer.to_string().into())
                }
            },
        );
        Ok(beans.register(ObjectName::new("juxta", [("type", "rendezvous-control")])?, Arc::new(bean))?)
    }

    /// Ends politely.
    pub async fn shutdown(&self) {
        self.server.shutdown().await;
        self.peer.shutdown().await;
    }

    fn status(&self) -> Value {
        let addresses: Vec<_> = self.peer.addresses().iter().map(ToString::to_string).collect();
        let counted: serde_json::Map<_, _> =
            self.rows().into_iter().map(|row| (row.name.to_owned(), json!(row.value))).collect();
        json!({
            "peer_id": self.peer.id().to_string(),
            "addresses": addresses,
            "uptime_s": self.started.0.elapsed().as_secs(),
            "counters": counted,
        })
    }
}

impl Control for Node {
    async fn answer(&self, request: ControlRequest) -> Result<Value, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        match request {
            ControlRequest::Status => Ok(self.status()),
            ControlRequest::Peers => {
                let peers = self.server.peers().await.map_err(|error| text(&error))?;
                serde_json::to_value(peers).map_err(|error| text(&error))
            }
            ControlRequest::Groups => {
                let groups = self.server.groups().await.map_err(|error| text(&error))?;
                serde_json::to_value(groups).map_err(|error| text(&error))
            }
            ControlRequest::Ban { peer } => {
                let added = {
                    let mut bans = self.bans.lock().unwrap_or_else(PoisonError::into_inner);
                    bans.add(peer).map_err(|error| text(&error))?
                };
                self.server.ban(peer).await.map_err(|error| text(&error))?;
                Ok(json!({ "peer_id": peer.to_string(), "added": added }))
            }
        }
    }
}

impl Measured for Node {
    fn rows(&self) -> Vec<Row> {
        self.server.status().rows()
    }

    fn meters(&self) -> Vec<(&'static str, u64)> {
        self.peer.meters().snapshot()
    }

    fn started_s(&self) -> f64 {
        self.started.1.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }

    fn uptime_s(&self) -> f64 {
        self.started.0.elapsed().as_secs_f64()
    }
}

/// Bytes of a PeerId as text; the longest have 52.
const PEER_TEXT_BYTES_MAX: usize = 64;
