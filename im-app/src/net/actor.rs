//! The messenger's task: it owns the core, moves its effects, and waits nowhere but in its `select!`.
//!
//! In: commands of faces, inputs of pipes, pipes that others open, time. Out: batches for the disk, and what follows
//! them once they are on it, in the order of the inputs. At most `STORE_QUEUE_MAX` batches are under way; then no
//! further input is taken, and whoever sends waits.

mod ending;
mod questions;
mod tasks;

use self::tasks::Dialing;
pub(super) use self::tasks::buddy_pipe;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use mgmt_service::arm::{Application, Transaction};
use mgmt_service::net::ProcessorWaits;
use overlay::{BidiPipe, Peer, PeerGroup, PeerId, PipeListener};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::sleep_until;

use super::disk::{Disk, Written};
use super::face::{Face, Output};
use super::outlet::Outlets;
use crate::error::{CommandError, ErrorCode, StoreError};
use crate::jsonl::event_line;
use crate::limits::{CURSORS_RESERVED, FACE_QUEUE_MAX, STORE_QUEUE_MAX};
use crate::messenger::{
    Answer, Command, Core, Counter, Counters, Effect, Event, Input, LinkId, Moment, Order, Question, Ticket,
};
use crate::status::Presence;
use crate::store::{Op, Outcome};

/// What reaches the task.
#[derive(Debug)]
pub(super) enum Inbound {
    /// A face wants something.
    Command {
        id: Value,
        command: Result<Command, CommandError>,
        room: mpsc::OwnedPermit<Output>,
        /// The same face's queue, for what a replay tells.
        outputs: mpsc::WeakSender<Output>,
    },
    /// A face comes.
    Attach(oneshot::Sender<Option<Face>>),
    /// Something for the core.
    Core(Input),
    /// End politely.
    Quit,
}

/// What is done once a step's batch is on the disk.
enum After {
    Reply { ticket: Ticket, cursor: u64, answer: Result<Answer, CommandError> },
    Event { cursor: u64, event: Event },
    Order { link: LinkId, order: Order },
    Own(Presence),
    Ask { ticket: Ticket, question: Question, until: u64 },
    Greet { outputs: mpsc::Sender<Output>, first: Vec<(u64, Event)> },
    Quit,
}

/// A step whose batch is under way.
type Step = BoxFuture<'static, (Written, Vec<After>)>;

/// A command whose reply is due.
struct Waiting {
    id: Value,
    room: mpsc::OwnedPermit<Output>,
    outputs: mpsc::WeakSender<Output>,
}

/// How a task of the messenger ended.
#[expect(clippy::large_enum_variant, reason = "one at a time, moved once")]
enum Ending {
    Link,
    Dialed { peer: PeerId, pipe: Option<BidiPipe> },
    Asked { ticket: Ticket, answer: Result<Answer, CommandError> },
}

/// What the task is made of.
pub(super) struct Parts {
    pub(super) core: Core,
    pub(super) peer: Peer,
    pub(super) group: PeerGroup,
    pub(super) listener: PipeListener,
    pub(super) disk: Disk,
    pub(super) application: Application,
    pub(super) transaction: Transaction,
    pub(super) counters: Counters,
    pub(super) inputs: (mpsc::WeakSender<Inbound>, mpsc::Receiver<Inbound>),
    /// The first cursor of this start.
    pub(super) cursor: u64,
    pub(super) presence: Presence,
}

/// The task.
pub(super) struct Actor {
    core: Core,
    peer: Peer,
    group: PeerGroup,
    listener: PipeListener,
    disk: Disk,
    application: Application,
    transaction: Transaction,
    waits: Arc<ProcessorWaits>,
    counters: Counters,
    sender: mpsc::WeakSender<Inbound>,
    inputs: mpsc::Receiver<Inbound>,
    own: watch::Sender<Presence>,
    steps: FuturesOrdered<Step>,
    tasks: JoinSet<Ending>,
    links: HashMap<LinkId, mpsc::Sender<Order>>,
    links_by_task: HashMap<Id, LinkId>,
    /// The dials that run; `DIALS_MAX` at most.
    dialing: HashMap<PeerId, Arc<Dialing>>,
    waiting: HashMap<Ticket, Waiting>,
    outlets: Outlets,
    last_id: u64,
    next_cursor: u64,
    reserved_cursor: u64,
    greeted: bool,
    quitting: bool,
    failure: Option<Arc<StoreError>>,
}

impl Actor {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            outlets: Outlets::new(parts.counters.clone()),
            core: parts.core,
            peer: parts.peer,
            group: parts.group,
            listener: parts.listener,
            disk: parts.disk,
            application: parts.application,
            transaction: parts.transaction,
            waits: Arc::new(ProcessorWaits::watch()),
            counters: parts.counters,
            sender: parts.inputs.0,
            inputs: parts.inputs.1,
            own: watch::Sender::new(parts.presence),
            steps: FuturesOrdered::new(),
            tasks: JoinSet::new(),
            links: HashMap::new(),
            links_by_task: HashMap::new(),
            dialing: HashMap::new(),
            waiting: HashMap::new(),
            last_id: 0,
            next_cursor: parts.cursor,
            reserved_cursor: parts.cursor,
            greeted: false,
            quitting: false,
            failure: None,
        }
    }

    /// Runs until a face or the owner ends it, or the disk fails.
    pub(super) async fn run(mut self) -> Result<(), Arc<StoreError>> {
        self.take_effects(Vec::new());
        while !self.quitting {
            let room = self.steps.len() < STORE_QUEUE_MAX;
            let timer =
                [self.core.poll_timeout(), self.application.poll_timeout()].into_iter().flatten().min();
            let far = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                biased;
                Some((written, after)) = self.steps.next(), if !self.steps.is_empty() => self.finish(written, after),
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() && room => self.ended(ended),
                () = sleep_until(timer.unwrap_or(far).into()), if room => {
                    self.application.expire(Instant::now());
                    self.handle(Input::Timeout);
                }
                Some(pipe) = self.listener.accept(), if room => self.link_up(pipe, false),
                inbound = self.inputs.recv(), if room => match inbound {
                    Some(inbound) => self.inbound(inbound),
                    None => self.quitting = true,
                },
            }
        }
        self.end().await
    }

    fn inbound(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Command { id, command, room, outputs } => {
                let ticket = Ticket(self.fresh());
                self.waiting.insert(ticket, Waiting { id, room, outputs });
                let message_id = *uuid::Uuid::now_v7().as_bytes();
                self.handle(Input::Command { ticket, command, message_id });
            }
            Inbound::Attach(answer) => self.attach(answer),
            Inbound::Core(Input::LinkDown { link }) => {
                self.links.remove(&link);
                self.handle(Input::LinkDown { link });
            }
            Inbound::Core(input) => self.handle(input),
            Inbound::Quit => self.quitting = true,
        }
    }

    fn handle(&mut self, input: Input) {
        let moment = Moment { now: Instant::now(), wall_ms: wall_ms() };
        self.core.handle(moment, input);
        self.take_effects(Vec::new());
    }

    /// Makes one step of what the core wants, and does at once what promises nothing.
    fn take_effects(&mut self, mut after: Vec<After>) {
        let mut ops = Vec::new();
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Store(op) => ops.push(op),
                Effect::Reply { ticket, answer } => {
                    let cursor = self.cursor(&mut ops);
                    after.push(After::Reply { ticket, cursor, answer });
                }
                Effect::Event(event) => {
                    let cursor = self.cursor(&mut ops);
                    let json = event_line(cursor, &event);
                    ops.push(Op::LogEvent { cursor, json });
                    after.push(After::Event { cursor, event });
                }
                Effect::Ask { ticket, question } => {
                    let until = self.next_cursor.saturating_sub(1);
                    after.push(After::Ask { ticket, question, until });
                }
                Effect::Order { link, order: order @ Order::Ping { .. } } => self.order(link, order),
                Effect::Order { link, order } => after.push(After::Order { link, order }),
                Effect::Dial { peer, addresses, deadline } => self.dial(peer, addresses, deadline),
                Effect::Unreachable { peer, due, took } => self.unreachable(peer, due, took),
                Effect::OwnPresence(presence) => after.push(After::Own(presence)),
                Effect::Quit => after.push(After::Quit),
            }
        }
        self.step(ops, after);
    }

    /// Does `after` once `ops` are on the disk, behind all steps before.
    fn step(&mut self, ops: Vec<Op>, after: Vec<After>) {
        if ops.is_empty() && self.steps.is_empty() {
            self.finish(Ok(Outcome { fresh: true }), after);
        } else if ops.is_empty() {
            self.steps.push_back(Box::pin(async move { (Ok(Outcome { fresh: true }), after) }));
        } else {
            let outcome = self.disk.write(ops);
            self.steps.push_back(Box::pin(async move {
                let written = outcome.await.unwrap_or_else(|_| Err(Arc::new(StoreError::Closed)));
                (written, after)
            }));
        }
    }

    fn finish(&mut self, written: Written, after: Vec<After>) {
        let fresh = match written {
            Ok(outcome) => outcome.fresh,
            Err(error) => return self.fail(error, after),
        };
        for after in after {
            match after {
                After::Reply { ticket, cursor, answer } => self.reply(ticket, cursor, answer),
                After::Event { event, .. } if !fresh => self.count_message(&event, Counter::MessagesRepeated),
                After::Event { cursor, event } => {
                    self.count_message(&event, Counter::MessagesReceived);
                    self.outlets.tell(cursor, event);
                }
                After::Order { link, order } => self.order(link, order),
                After::Own(presence) => drop(self.own.send_replace(presence)),
                After::Ask { ticket, question, until } => self.ask(ticket, question, until),
                After::Greet { outputs, first } => self.outlets.add(outputs, first),
                After::Quit => self.quitting = true,
            }
        }
    }

    /// What can't be kept is not confirmed; a messenger that can't keep anything ends.
    fn fail(&mut self, error: Arc<StoreError>, after: Vec<After>) {
        for after in after {
            if let After::Reply { ticket, cursor, .. } = after {
                let message = format!("not done: {error}");
                self.reply(ticket, cursor, Err(CommandError::new(ErrorCode::Internal, message)));
            }
        }
        self.failure.get_or_insert(error);
        self.quitting = true;
    }

    fn reply(&mut self, ticket: Ticket, cursor: u64, answer: Result<Answer, CommandError>) {
        if let Some(waiting) = self.waiting.remove(&ticket) {
            let id = waiting.id;
            waiting.room.send(Output::Reply { cursor, id, answer });
        }
    }

    fn count_message(&self, event: &Event, counter: Counter) {
        if matches!(event, Event::Message { .. }) {
            self.counters.count(counter);
        }
    }

    fn attach(&mut self, answer: oneshot::Sender<Option<Face>>) {
        let face = self.sender.upgrade().filter(|_| self.outlets.has_room()).map(|inputs| {
            let (outputs, queue) = mpsc::channel(FACE_QUEUE_MAX);
            let mut ops = Vec::new();
            let first = self.core.snapshot(Instant::now());
            let first: Vec<(u64, Event)> =
                first.into_iter().map(|event| (self.cursor(&mut ops), event)).collect();
            // What the first face is told is part of the story; later ones are only brought up to date.
            if !std::mem::replace(&mut self.greeted, true) {
                let log = |(cursor, event): &(u64, Event)| Op::LogEvent {
                    cursor: *cursor,
                    json: event_line(*cursor, event),
                };
                ops.extend(first.iter().map(log));
            }
            let face = Face::new(inputs, outputs.downgrade(), queue);
            self.step(ops, vec![After::Greet { outputs, first }]);
            face
        });
        // Who asked may have given up.
        let _ = answer.send(face);
    }

    /// The next cursor; reserves more on disk when those reserved are used up.
    fn cursor(&mut self, ops: &mut Vec<Op>) -> u64 {
        let cursor = self.next_cursor;
        self.next_cursor = cursor.saturating_add(1);
        if cursor >= self.reserved_cursor {
            self.reserved_cursor = cursor.saturating_add(CURSORS_RESERVED);
            ops.push(Op::PutSetting { key: CURSOR_KEY, value: self.reserved_cursor.to_string() });
        }
        cursor
    }

    fn fresh(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// ms since 1970.
pub(super) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Under which the first cursor that is not reserved is kept.
pub(super) const CURSOR_KEY: &str = "cursor";
