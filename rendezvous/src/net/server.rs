//! The rendezvous at work: one task that owns the [`Service`] and serves the resolver's queries of one peer.
//!
//! In: queries, sessions opened and lost, an operator's commands, one deadline. Out: answers. Bounds: the resolver's
//! queues in front (the asker is told *busy*), [`COMMANDS_MAX`] commands, those of the service behind.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use overlay::protocol::notification::{self, Notification};
use overlay::protocol::{closed, discovery, rendezvous};
use overlay::{AlreadyRegistered, Events, GroupId, Peer, PeerEvent, PeerId, Queries, Query, QueryError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::closed_groups::News;
use crate::counters::Counters;
use crate::limits::{
    COMMANDS_MAX, Limits, NEWS_MEMBERS_AT_ONCE, NEWS_TELLING_MAX, NEWS_TIMEOUT, NOTIFICATION_TIMEOUT,
    NOTIFICATIONS_MAX,
};
use crate::service::{Answer, BansFull, GroupRow, Notified, PeerRow, Service};

/// A handle on a running rendezvous. Cheap to clone; [`Server::shutdown`] ends it politely, dropping the last handle
/// at once.
#[derive(Clone, Debug)]
pub struct Server {
    commands: mpsc::Sender<Command>,
    /// Held, never read: the last handle to drop it ends the task.
    _task: Arc<Task>,
    counters: Arc<Counters>,
    peer: PeerId,
}

/// Why a rendezvous could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The peer serves as a rendezvous already.
    #[error("serve as a rendezvous: {0}")]
    AlreadyServing(#[from] AlreadyRegistered),
}

/// The rendezvous has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ask the rendezvous: it has ended")]
pub struct Ended;

/// Why a peer was not banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BanError {
    /// There are as many bans as there may be.
    #[error(transparent)]
    Full(#[from] BansFull),
    /// The rendezvous has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

#[derive(Debug)]
enum Command {
    Peers(oneshot::Sender<Vec<PeerRow>>),
    Groups(oneshot::Sender<Vec<GroupRow>>),
    Ban(PeerId, oneshot::Sender<Result<(), BansFull>>),
    End(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Server {
    /// Serves leases and discovery on `peer` until the last handle is dropped or the peer ends.
    ///
    /// # Errors
    /// [`ServeError::AlreadyServing`] when something else answers for them on this peer.
    pub fn spawn(peer: &Peer, limits: &Limits) -> Result<Self, ServeError> {
        let counters = Arc::new(Counters::default());
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let worker = Worker {
            service: Service::new(limits, Arc::clone(&counters)),
            events: peer.events(),
            leases: peer.register_handler(rendezvous::HANDLER)?,
            discovery: peer.register_handler(discovery::HANDLER)?,
            closed: peer.register_handler(closed::HANDLER)?,
            telling: FuturesUnordered::new(),
            commands: inbox,
            counters: Arc::clone(&counters),
            events_missed: 0,
            own_taken_at: None,
            notifying: FuturesUnordered::new(),
            published: peer.publications_changed().boxed(),
            peer: peer.clone(),
        };
        let task = Arc::new(Task(tokio::spawn(worker.run())));
        Ok(Self { commands, _task: task, counters, peer: peer.id() })
    }

    /// The peer that serves.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// What is counted, for a bean or for metrics. Reading costs no lock.
    #[must_use]
    pub fn status(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The lease holders, by id. O(leases + advertisements).
    ///
    /// # Errors
    /// [`Ended`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn peers(&self) -> Result<Vec<PeerRow>, Ended> {
        self.ask(Command::Peers).await
    }

    /// The groups that have advertisements here, by id. O(advertisements).
    ///
    /// # Errors
    /// [`Ended`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn groups(&self) -> Result<Vec<GroupRow>, Ended> {
        self.ask(Command::Groups).await
    }

    /// Bans a peer: its connections are closed, its lease and advertisements end, and it is refused from now on.
    ///
    /// # Errors
    /// As [`BanError`] says.
    ///
    /// # Cancel safety
    /// Safe; the ban may still happen.
    pub async fn ban(&self, peer: PeerId) -> Result<(), BanError> {
        Ok(self.ask(|reply| Command::Ban(peer, reply)).await??)
    }

    /// Waits until the rendezvous has ended, for whatever reason.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }

    /// Answers what has been asked, takes nothing more and ends. Peers notice when the peer itself shuts down.
    ///
    /// # Cancel safety
    /// Safe; the end goes on.
    pub async fn shutdown(&self) {
        // An error means that it has ended before.
        let _ = self.ask(Command::End).await;
        self.ended().await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Ended)?;
        answer.await.map_err(|_| Ended)
    }
}

/// What the task owns.
struct Worker {
    service: Service,
    leases: Queries,
    discovery: Queries,
    closed: Queries,
    /// News that members are being told.
    telling: FuturesUnordered<BoxFuture<'static, ()>>,
    events: Events,
    commands: mpsc::Receiver<Command>,
    counters: Arc<Counters>,
    /// How many lost events are counted already.
    events_missed: u64,
    /// When the peer's own publications were last taken into the index.
    own_taken_at: Option<Instant>,
    /// Notifications under way, at most one for each subscriber.
    notifying: FuturesUnordered<BoxFuture<'static, (PeerId, u64, Notified)>>,
    /// Tells when the peer's own publications have changed.
    published: BoxStream<'static, ()>,
    peer: Peer,
}

impl Worker {
    async fn run(mut self) {
        loop {
            self.notify();
            let deadline = self.service.poll_timeout();
            tokio::select! {
                Some((peer, number, notified)) = self.notifying.next() => {
                    self.service.notified(&peer, number, notified);
                }
                Some(query) = self.leases.recv() => {
                    let answer = self.service.lease(Instant::now(), query.from, &query.body);
                    give(query, answer);
                }
                Some(query) = self.discovery.recv() => {
                    self.take_in_own().await;
                    let answer = self.service.discovery(Instant::now(), query.from, query.group, &query.body);
                    give(query, answer);
                }
                // Who has subscribed to it shall not wait until somebody asks.
                Some(()) = self.published.next(), if self.service.has_subscriptions() => {
                    self.own_taken_at = None;
                    self.take_in_own().await;
                }
                Some(query) = self.closed.recv() => {
                    self.take_in_own().await;
                    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                    let answer = self.service.closed(Instant::now(), now_s, query.from, &query.body);
                    give(query, answer);
                    self.tell_news();
                }
                Some(()) = self.telling.next() => self.tell_news(),
                event = self.events.recv() => match event {
                    Some(event) => self.on_event(&event).await,
                    None => return,
                },
                command = self.commands.recv() => match command {
                    Some(Command::End(done)) => {
                        // Nobody waits for it when the shutdown was cancelled.
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.on_command(command).await,
                    None => return,
                },
                () = until(deadline) => self.service.expire(Instant::now()),
            }
        }
    }

    /// Sends what subscribers wait for, as far as there is room.
    fn notify(&mut self) {
        while self.notifying.len() < NOTIFICATIONS_MAX {
            let Some((to, notification)) = self.service.poll_notification(Instant::now()) else { return };
            let (peer, number) = (self.peer.clone(), notification.number);
            self.notifying
                .push(Box::pin(async move { (to, number, notify(&peer, to, &notification).await) }));
        }
    }

    /// Brings what the rendezvous's own peer publishes, as its management agent does, into the index before
    /// somebody looks there; one exchange with the peer, at most once in [`OWN_FRESH`].
    async fn take_in_own(&mut self) {
        if self.own_taken_at.is_some_and(|at| at.elapsed() < OWN_FRESH) {
            return;
        }
        let (published, closed) = (self.peer.published().await, self.peer.published_in_closed_groups().await);
        let now = Instant::now();
        self.service.host(now, &self.peer.id(), published);
        self.service.host_closed(now, closed);
        self.own_taken_at = Some(now);
    }

    /// Has the members told that wait for news of revocations.
    fn tell_news(&mut self) {
        while self.telling.len() < NEWS_TELLING_MAX {
            let Some(news) = self.service.poll_news() else { return };
            self.telling.push(Box::pin(tell(self.peer.clone(), Arc::clone(&self.counters), news)));
        }
    }

    async fn on_event(&mut self, event: &PeerEvent) {
        let missed = self.events.missed();
        self.counters.events_missed.add(usize::try_from(missed - self.events_missed).unwrap_or(usize::MAX));
        self.events_missed = missed;
        match event {
            PeerEvent::SessionOpened { peer } => {
                let welcome = self.service.session_opened(Instant::now(), peer);
                if !welcome {
                    self.peer.close(*peer).await;
                }
            }
            PeerEvent::SessionLost { peer } => self.service.session_lost(Instant::now(), peer),
            _ => {}
        }
    }

    /// Who asked may be gone; then the answer goes nowhere.
    async fn on_command(&mut self, command: Command) {
        match command {
            Command::Peers(reply) => drop(reply.send(self.service.peers(Instant::now()))),
            Command::Groups(reply) => {
                self.take_in_own().await;
                drop(reply.send(self.service.groups(Instant::now())));
            }
            Command::Ban(peer, reply) => {
                let banned = self.service.ban(Instant::now(), peer);
                if banned.is_ok() {
                    self.peer.ban(peer).await;
                }
                let _ = reply.send(banned);
            }
            Command::End(done) => drop(done.send(())),
        }
    }
}

/// Tells the members of one group of its newest list, once each, some at a time.
async fn tell(peer: Peer, counters: Arc<Counters>, News { news, members }: News) {
    // News that were put together from a list that fits can be put together again.
    let Ok(news) = news.encode() else { return };
    let net = GroupId::net();
    let telling = stream::iter(members).for_each_concurrent(NEWS_MEMBERS_AT_ONCE, |member| {
        let asking = peer.query(member, &net, closed::NEWS, news.clone(), NEWS_TIMEOUT);
        asking.map(|told| match told {
            Ok(_) => counters.news_told.increment(),
            Err(_) => counters.news_failed.increment(),
        })
    });
    telling.await;
}

async fn notify(peer: &Peer, to: PeerId, notification: &Notification) -> Notified {
    let Ok(body) = notification.encode() else { return Notified::Lost };
    let told = peer.query(to, &GroupId::net(), notification::HANDLER, body, NOTIFICATION_TIMEOUT).await;
    match told {
        Ok(_) => Notified::Heard,
        Err(QueryError::Refused(_)) => Notified::Refused,
        Err(error) => {
            tracing::debug!(peer = %to, reason = %error, "notification lost");
            Notified::Lost
        }
    }
}

fn give(query: Query, answer: Answer) {
    match answer {
        Ok(body) => query.reply(body),
        Err(reason) => {
            tracing::debug!(peer = %query.from, %reason, "request refused");
            query.refuse(reason);
        }
    }
}

/// For how long the index may be behind what the rendezvous's own peer publishes (published is findable in 100 ms).
const OWN_FRESH: Duration = Duration::from_millis(50);

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
