//! The management agent of a peer: answers questions about its objects and pushes its records (paper §5).
//!
//! In: a policy, objects, an application that measures. Out: an advertisement by which managers find it, answers, batches.
//! One task accepts; each subscription is a task of its own, so that a slow manager holds up nobody.

mod absence;
mod answering;
mod contradictions;
mod guard;
mod links;
mod looking;
mod memberships;
mod monitors;
mod notices;
mod pacer;
mod publishing;
mod records;
mod spooling;
mod subscriber;
mod subscriptions;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use overlay::{Peer, PipeListener, Queries};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::answering::Answerer;
use self::guard::{Guard, at};
use self::links::Links;
use self::looking::look;
use self::memberships::Memberships;
use self::monitors::Monitors;
use self::pacer::Pacer;
use self::publishing::publish;
use self::subscriptions::{Subscriptions, read_subscribe};
use super::aggregation::Reporting;
use super::counters::AgentCounters;
use super::membership::ManagementGroup;
use crate::access::AuditFile;
use crate::arm::{Application, Consumer, Identity, Overflow};
use crate::cli_common::ManagePolicy;
use crate::error::AgentError;
use crate::jmx::{BeanServer, CounterBean, DynamicBean, ManagedBean, ObjectName, RecordBeans, Registration};
use crate::limits::{
    AGENT_FAREWELL_MAX, INVOKES_AT_ONCE, RECORD_BEANS_KEPT, RECORD_BEANS_WAITING_MAX, SUBSCRIBING_MAX,
};
use crate::protocol::{HANDLER, pipe_id};
use crate::subscription::Pace;

/// A peer's management agent. Dropping it ends it at once; [`Self::shutdown`] lets managers take the rest first.
#[derive(Debug)]
pub struct ManagementAgent {
    /// None with [`ManagePolicy::Off`].
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: watch::Sender<Duration>,
    serving: JoinHandle<()>,
    publishing: JoinHandle<()>,
    looking: JoinHandle<()>,
    recording: Option<JoinHandle<()>>,
    pacer: Arc<Pacer>,
    guard: Arc<Guard>,
    /// Its part in the tree of aggregators, in a closed group.
    reporting: Option<Reporting>,
}

impl ManagementAgent {
    /// Starts the agent of `peer`, shown to managers as `name`, as `policy` says; needs a tokio runtime.
    ///
    /// With [`ManagePolicy::Off`] nothing is registered or published. With [`ManagePolicy::Open`] any peer of the net
    /// group may read: the objects of `beans` (to which the agent's own counters, the overlay's and the application's are
    /// added as `juxta:type=agent`, `=overlay`, `=arm`), and the records of `application`, the last of which become objects.
    /// With [`ManagePolicy::Ticket`] the agent serves the members of that management group alone, each as its role allows;
    /// the ticket is used at the first start, then the place in `dir` counts. The audit log is `audit.log` in `dir`.
    ///
    /// # Errors
    /// [`AgentError`] when the peer has an agent already, `application` has too many consumers, the group can't be entered or
    /// the audit log can't be written.
    pub async fn start(
        peer: &Peer,
        name: &str,
        application: Option<Application>,
        beans: BeanServer,
        policy: &ManagePolicy,
        dir: &Path,
    ) -> Result<Self, AgentError> {
        let place = match policy {
            ManagePolicy::Off => return Ok(Self { running: None }),
            ManagePolicy::Open => None,
            ManagePolicy::Ticket(ticket) => Some(ManagementGroup::enter(peer, dir, ticket).await?),
        };
        let audit = AuditFile::open(dir, at())?;
        Self::begin(peer, name, application, beans, place, (Some(audit), Some(dir.join(SPOOLS))))
    }

    /// As [`start`](Self::start) in the group that `place` is in.
    ///
    /// # Errors
    /// As there.
    pub fn start_in(
        place: ManagementGroup,
        peer: &Peer,
        name: &str,
        application: Option<Application>,
        beans: BeanServer,
        dir: &Path,
    ) -> Result<Self, AgentError> {
        let audit = AuditFile::open(dir, at())?;
        Self::begin(peer, name, application, beans, Some(place), (Some(audit), Some(dir.join(SPOOLS))))
    }

    /// As [`start`](Self::start), off or open and without an audit log; with a ticket it is off, since there is no directory
    /// to keep the place in.
    ///
    /// # Errors
    /// As there.
    pub fn spawn(
        peer: &Peer,
        name: &str,
        application: Option<Application>,
        beans: BeanServer,
        policy: ManagePolicy,
    ) -> Result<Self, AgentError> {
        Self::spawn_spooled(peer, name, application, beans, policy, None)
    }

    /// As [`Self::spawn`], with a directory in which the records of standing subscriptions are kept while their managers
    /// are away, also from one run to the next; at most `SPOOLS_MAX` times `SPOOL_BYTES_MAX` bytes.
    ///
    /// # Errors
    /// As [`Self::spawn`].
    pub fn spawn_spooled(
        peer: &Peer,
        name: &str,
        application: Option<Application>,
        beans: BeanServer,
        policy: ManagePolicy,
        spools: Option<PathBuf>,
    ) -> Result<Self, AgentError> {
        match policy {
            ManagePolicy::Open => Self::begin(peer, name, application, beans, None, (None, spools)),
            ManagePolicy::Off | ManagePolicy::Ticket(_) => Ok(Self { running: None }),
        }
    }

    fn begin(
        peer: &Peer,
        name: &str,
        application: Option<Application>,
        beans: BeanServer,
        place: Option<ManagementGroup>,
        (audit, spools): (Option<AuditFile>, Option<PathBuf>),
    ) -> Result<Self, AgentError> {
        if place.is_none() {
            tracing::warn!(peer = %peer.id(), "management is open: any peer may read what this one measures");
        }
        let counters = Arc::new(AgentCounters::default());
        let reporting = place.as_ref().zip(application.clone());
        let reporting = reporting.and_then(|(place, application)| Reporting::spawn(peer, place, application));
        let guard = Arc::new(Guard::new(peer, place, audit, counters.clone()));
        let group = guard.group().clone();
        let queries = peer.register_handler(HANDLER)?;
        let listener = group.bind(pipe_id(&group.id(), &peer.id()))?;
        let mut registrations = register_counters(peer, application.as_ref(), &beans, &counters)?;
        registrations.push(register_audit(&guard, &beans)?);
        let pacer = Arc::new(Pacer::new(peer.meters()));
        let settings = ObjectName::new(DOMAIN, [("type", "agent-settings")])?;
        registrations.push(beans.register(settings, Arc::new(pacer.bean()))?);
        registrations.extend(reporting.as_ref().map(|reporting| reporting.register(&beans)).transpose()?);
        let (monitors, registered) = Monitors::new(&beans)?;
        registrations.extend(registered);
        let events = peer.events();
        let shown = (Links::new(peer, &beans), Memberships::new(peer, &beans));
        let looking = tokio::spawn(look(monitors.clone(), shown, events, guard.clone()));
        let recording = match &application {
            Some(application) => {
                let consumer = application.subscribe(RECORD_BEANS_WAITING_MAX, Overflow::DropOldest)?;
                let records = RecordBeans::new(beans.clone(), RECORD_BEANS_KEPT);
                Some(tokio::spawn(keep_records(consumer, records, counters.clone())))
            }
            None => None,
        };
        let (stop, stopped) = watch::channel(AGENT_FAREWELL_MAX);
        let publishing = tokio::spawn(publish(group, name.to_owned(), guard.clone(), counters.clone()));
        let place = (peer.id(), spools);
        let shared = (guard.clone(), counters.clone(), pacer.clone());
        let mut subscriptions =
            Subscriptions::new(place, application, (beans.clone(), monitors), shared, stopped.clone());
        subscriptions.resume();
        let answerer = Answerer { guard: guard.clone(), beans, counters };
        let agent = Serving { queries, listener, answerer, subscriptions, _registrations: registrations };
        let serving = tokio::spawn(agent.run(stopped));
        Ok(Self {
            running: Some(Running { stop, serving, publishing, looking, recording, pacer, guard, reporting }),
        })
    }

    /// Goes on pushing records at another pace than the default, or as fast as managers take them; the bursts are full
    /// again.
    pub fn set_pace(&self, pace: Option<Pace>) {
        if let Some(running) = &self.running {
            running.pacer.set(pace);
        }
    }

    /// Ends the agent: subscribed managers get what there is, within a second.
    ///
    /// # Cancel safety
    /// Dropping the future ends the agent at once.
    pub async fn shutdown(self) {
        self.shutdown_within(AGENT_FAREWELL_MAX).await;
    }

    /// As [`shutdown`](Self::shutdown), where each farewell may take so long.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn shutdown_within(mut self, within: Duration) {
        let Some(mut running) = self.running.take() else { return };
        // Nobody listens when the task has ended already, which is what is wanted.
        let _ = running.stop.send(within);
        if let Some(reporting) = running.reporting.take() {
            reporting.end(within).await;
        }
        running.publishing.abort();
        running.looking.abort();
        if let Err(error) = (&mut running.serving).await
            && error.is_panic()
        {
            tracing::error!(%error, "management agent failed");
        }
        if let Some(recording) = running.recording.take() {
            recording.abort();
            // It ends by being aborted; then the records are unregistered.
            let _ = recording.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
        self.publishing.abort();
        self.looking.abort();
        if let Some(recording) = &self.recording {
            recording.abort();
        }
    }
}

/// The accepting task.
struct Serving {
    queries: Queries,
    listener: PipeListener,
    answerer: Answerer,
    subscriptions: Subscriptions,
    _registrations: Vec<Registration>,
}

impl Serving {
    async fn run(mut self, mut stopped: watch::Receiver<Duration>) {
        let (mut subscribing, mut invoking) = (FuturesUnordered::new(), FuturesUnordered::new());
        loop {
            tokio::select! {
                query = self.queries.recv(), if invoking.len() < INVOKES_AT_ONCE => match query {
                    Some(query) => invoking.extend(self.answerer.answer(query)),
                    None => break,
                },
                Some(()) = invoking.next() => {}
                pipe = self.listener.accept(), if subscribing.len() < SUBSCRIBING_MAX => match pipe {
                    Some(pipe) => subscribing.push(read_subscribe(pipe)),
                    None => break,
                },
                Some(subscribed) = subscribing.next() => match subscribed {
                    Some(attach) => self.subscriptions.attach(attach),
                    None => self.answerer.counters.subscribing_failed.add(1),
                },
                () = self.subscriptions.reap() => {}
                _ = stopped.changed() => break,
            }
        }
        self.subscriptions.join().await;
        self.answerer.guard.sum_up(true);
    }
}

/// Registers what the agent, the overlay and the application count.
fn register_counters(
    peer: &Peer,
    application: Option<&Application>,
    beans: &BeanServer,
    counters: &Arc<AgentCounters>,
) -> Result<Vec<Registration>, AgentError> {
    let register = |kind: &str, bean: CounterBean| -> Result<Registration, AgentError> {
        let bean: Arc<dyn DynamicBean> = Arc::new(bean);
        Ok(beans.register(ObjectName::new(DOMAIN, [("type", kind)])?, bean)?)
    };
    let own = {
        let (counters, beans) = (counters.clone(), beans.clone());
        move || counters.snapshot().into_iter().chain(beans.counters()).collect()
    };
    let meters = peer.meters();
    let mut registrations = vec![
        register("agent", CounterBean::new("the management agent", own))?,
        register("overlay", CounterBean::new("the overlay's meters", move || meters.snapshot()))?,
    ];
    if let Some(application) = application.cloned() {
        let identified = application.clone();
        let counting = move || application.counters();
        registrations.push(register("arm", CounterBean::new("measured transactions", counting))?);
        registrations.push(register_identity(&identified, beans)?);
    }
    Ok(registrations)
}

/// Registers whose records these are.
fn register_identity(application: &Application, beans: &BeanServer) -> Result<Registration, AgentError> {
    let [name, group, instance] = [Identity::name, Identity::group, Identity::instance]
        .map(|part| part(application.identity()).to_owned());
    let bean = ManagedBean::new("the measured application")
        .shows("name", "what program it is", move || name.clone())
        .shows("group", "its application group", move || group.clone())
        .shows("instance", "new at each start", move || instance.clone());
    Ok(beans.register(ObjectName::new(DOMAIN, [("type", "application")])?, Arc::new(bean))?)
}

/// Registers where the audit log stands, so that managers can keep its last hash.
fn register_audit(guard: &Arc<Guard>, beans: &BeanServer) -> Result<Registration, AgentError> {
    let guard = guard.clone();
    let bean = ManagedBean::new("the audit log of this agent").shows(
        "head",
        "the hash of its last line; empty without a log",
        move || guard.audit_head(),
    );
    Ok(beans.register(ObjectName::new(DOMAIN, [("type", "audit")])?, Arc::new(bean))?)
}

/// Makes each record an object; the consumer's pool gets it back when a newer one needs its place.
async fn keep_records(consumer: Consumer, mut records: RecordBeans, counters: Arc<AgentCounters>) {
    loop {
        if let Err(error) = records.add(consumer.recv().await) {
            counters.record_beans_refused.add(1);
            tracing::trace!(reason = %error, "record not registered");
        }
    }
}

/// The domain of the objects that every agent has.
const DOMAIN: &str = "juxta";

/// The value of the attribute `service` of every agent's advertisement.
pub(super) const SERVICE: &str = "mgmt-agent";

/// Where records of standing subscriptions wait, below the directory of the agent.
const SPOOLS: &str = "spools";
