//! The shell over real sockets on loopback: two messengers, a hostile peer, a slow face, a restart.

use std::time::Duration;

use overlay::{BidiPipe, Genesis, Peer, PeerId, RecvError};
use serde_json::Value;
use tokio::time::timeout;

use super::actor::buddy_pipe;
use super::{FaceCommands, FaceOutputs, Messenger, Output, Settings};
use crate::error::CommandError;
use crate::invite::Invite;
use crate::limits::{FACE_QUEUE_MAX, LINK_FAULTS_MAX, PINGS_OUTSTANDING_MAX};
use crate::messenger::{Answer, Command, Counter, Event};
use crate::status::{Presence, Status};
use crate::wire::{Frame, Hello};

/// Longest wait for something that has to happen: the machine may stand still for some seconds, several times.
const PATIENCE: Duration = Duration::from_secs(60);

struct Person {
    peer: Peer,
    messenger: Messenger,
    commands: FaceCommands,
    outputs: FaceOutputs,
    seen: Vec<Event>,
}

impl Person {
    async fn start(place: &std::path::Path, name: &str) -> Self {
        let keypair = overlay::identity::load_or_create(&place.join(format!("{name}.key"))).unwrap();
        let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let peer = Peer::builder().keypair(keypair).listen(listen).spawn().await.unwrap();
        let mut settings = Settings::new(place.join(format!("{name}.db")), name.to_owned());
        settings.ping_period = Duration::from_millis(200);
        // Late is not offline.
        settings.ping_timeout = PATIENCE;
        let messenger = Messenger::spawn(&peer, settings).await.unwrap();
        let (commands, outputs) = messenger.attach().await.unwrap().split();
        let seen = Vec::new();
        Self { peer, messenger, commands, outputs, seen }
    }

    async fn command(&mut self, command: Command) -> Result<Answer, CommandError> {
        self.commands.command(Value::Null, Ok(command)).await.unwrap();
        loop {
            match timeout(PATIENCE, self.outputs.recv()).await.unwrap().unwrap() {
                Output::Reply { answer, .. } => return answer,
                Output::Event { event, .. } => self.seen.push(event.as_ref().clone()),
                Output::Replayed { .. } => {}
            }
        }
    }

    async fn event(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        if let Some(at) = self.seen.iter().position(&wanted) {
            return self.seen.remove(at);
        }
        loop {
            match timeout(PATIENCE, self.outputs.recv()).await.unwrap().unwrap() {
                Output::Event { event, .. } if wanted(&event) => return event.as_ref().clone(),
                Output::Event { event, .. } => self.seen.push(event.as_ref().clone()),
                _ => {}
            }
        }
    }

    /// Waits until the last that it sees of `buddy` is `status`.
    async fn sees(&mut self, buddy: PeerId, status: Status) {
        let of = |event: &Event| match event {
            Event::Presence(seen) if seen.peer == buddy => Some(seen.sight.presence.status),
            _ => None,
        };
        loop {
            while let Some(output) = self.outputs.try_recv() {
                self.keep(output);
            }
            if self.seen.iter().rev().find_map(of) == Some(status) {
                return self.seen.retain(|event| of(event).is_none());
            }
            let output = timeout(PATIENCE, self.outputs.recv()).await.unwrap().unwrap();
            self.keep(output);
        }
    }

    fn keep(&mut self, output: Output) {
        if let Output::Event { event, .. } = output {
            self.seen.push(event.as_ref().clone());
        }
    }

    async fn hears(&mut self) -> String {
        match self.event(|event| matches!(event, Event::Message { .. })).await {
            Event::Message { message, .. } => message.text,
            other => panic!("{other:?}"),
        }
    }

    async fn invite(&mut self) -> Box<Invite> {
        match self.event(|event| matches!(event, Event::Ready { .. })).await {
            Event::Ready { invite, .. } => Box::new(invite.parse().unwrap()),
            other => panic!("{other:?}"),
        }
    }

    async fn say(&mut self, to: &str, text: &str) -> Result<Answer, CommandError> {
        let (to, text) = (to.to_owned(), text.to_owned());
        self.command(Command::Send { to, text }).await
    }

    fn count(&self, counter: Counter) -> u64 {
        self.messenger.counters().get(counter)
    }

    async fn end(self) {
        self.messenger.shutdown().await.unwrap();
        self.peer.shutdown().await;
    }
}

async fn buddies(place: &std::path::Path) -> (Person, Person) {
    let mut ann = Person::start(place, "ann").await;
    let mut bob = Person::start(place, "bob").await;
    let invite = bob.invite().await;
    ann.command(Command::Add { invite, alias: None }).await.unwrap();
    bob.event(|event| matches!(event, Event::ContactRequest { name, .. } if name == "ann")).await;
    bob.command(Command::Accept { buddy: "ann".into() }).await.unwrap();
    ann.sees(bob.peer.id(), Status::Online).await;
    bob.sees(ann.peer.id(), Status::Online).await;
    (ann, bob)
}

/// A pipe to a messenger's peer, of somebody who keeps no rules.
async fn hostile_pipe(hostile: &Peer, victim: &Person) -> BidiPipe {
    for address in victim.peer.addresses() {
        hostile.add_address(victim.peer.id(), address).await;
    }
    let group = hostile.join(&Genesis::open("im"));
    let pipe = buddy_pipe(&group, &victim.peer.id());
    group.connect(victim.peer.id(), pipe).await.unwrap()
}

/// Reads until the other side closes.
async fn is_closed(pipe: &mut BidiPipe) {
    let end = async { while let Ok(Some(_)) = pipe.recv().await {} };
    timeout(PATIENCE, end).await.expect("closed in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_in_order_and_a_restart_loses_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (mut ann, mut bob) = buddies(place.path()).await;
    for n in 0..100 {
        ann.say("bob", &n.to_string()).await.unwrap();
    }
    for n in 0..100 {
        assert_eq!(bob.hears().await, n.to_string());
    }
    let (ann_id, bob_id) = (ann.peer.id(), bob.peer.id());
    bob.end().await;
    ann.sees(bob_id, Status::Offline).await;
    assert!(ann.say("bob", "gone?").await.is_err());
    let mut bob = Person::start(place.path(), "bob").await;
    bob.sees(ann_id, Status::Online).await;
    ann.sees(bob_id, Status::Online).await;
    ann.say("bob", "back").await.unwrap();
    assert_eq!(bob.hears().await, "back");
    let history = Command::History { buddy: "ann".into(), limit: 1000, before: None, words: vec![] };
    match bob.command(history).await {
        Ok(Answer::History { history, .. }) => assert_eq!(history.messages.len(), 101),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_ping_is_one_record_also_to_somebody_gone() {
    let place = tempfile::tempdir().unwrap();
    let (ann, bob) = buddies(place.path()).await;
    let application = ann.messenger.application().clone();
    let consumer = application.subscribe(64, mgmt_service::arm::Overflow::DropOldest).unwrap();
    let good = timeout(PATIENCE, consumer.recv()).await.unwrap();
    assert_eq!((good.dest, good.status), (bob.peer.id(), mgmt_service::arm::Status::Good));
    assert!(good.response_us.is_some() && good.hold_us.is_some());
    bob.end().await;
    let gone = async {
        loop {
            let record = consumer.recv().await;
            if record.reason == mgmt_service::arm::Reason::Unreachable {
                break;
            }
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_counted_and_refused_and_the_victim_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let (mut ann, mut bob) = buddies(place.path()).await;
    let hostile = Peer::builder().spawn().await.unwrap();
    let mut pipe = hostile_pipe(&hostile, &ann).await;
    for _ in 0..LINK_FAULTS_MAX {
        pipe.feed(vec![0xff; 300]).await.unwrap();
    }
    pipe.flush().await.unwrap();
    is_closed(&mut pipe).await;
    assert_eq!(ann.count(Counter::FramesRefused), u64::from(LINK_FAULTS_MAX));
    ann.say("bob", "still here").await.unwrap();
    assert_eq!(bob.hears().await, "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_learns_nothing_and_its_pings_are_not_answered() {
    let place = tempfile::tempdir().unwrap();
    let mut ann = Person::start(place.path(), "ann").await;
    let stranger = Peer::builder().spawn().await.unwrap();
    let mut pipe = hostile_pipe(&stranger, &ann).await;
    let hello = Hello { name: "mallory".into(), presence: None, addresses: vec![] };
    pipe.send(Frame::Hello(hello).encode().unwrap()).await.unwrap();
    let name = "mallory".to_owned();
    pipe.send(Frame::ContactRequest { name }.encode().unwrap()).await.unwrap();
    ann.event(|event| matches!(event, Event::ContactRequest { .. })).await;
    // The first PINGs are held until the user decides; the others are faults, and too many of those end the pipe.
    for correlator in 0..PINGS_OUTSTANDING_MAX as u64 + u64::from(LINK_FAULTS_MAX) {
        pipe.send(Frame::Ping { correlator }.encode().unwrap()).await.unwrap();
    }
    let mut heard = Vec::new();
    let end = async {
        loop {
            match pipe.recv().await {
                Ok(Some(bytes)) => heard.push(Frame::decode(&bytes).unwrap()),
                Ok(None) | Err(RecvError::Reset) => break,
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(PATIENCE, end).await.expect("closed in time");
    assert!(
        matches!(heard.as_slice(), [Frame::Hello(Hello { presence: None, addresses, .. })] if addresses.is_empty()),
        "{heard:?}"
    );
}

fn is_lagged(event: &Event) -> bool {
    matches!(event, Event::Warning { code: "lagged", .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_face_that_does_not_read_holds_up_nobody_and_can_replay_what_it_missed() {
    let place = tempfile::tempdir().unwrap();
    let (mut ann, mut bob) = buddies(place.path()).await;
    let (slow_commands, mut slow) = bob.messenger.attach().await.unwrap().split();
    let messages = FACE_QUEUE_MAX + 200;
    for n in 0..messages {
        ann.say("bob", &n.to_string()).await.unwrap();
        assert_eq!(bob.hears().await, n.to_string(), "the quick face hears all");
    }
    // It is told with the next event for which there is room; one may have come while it reads.
    let (mut last, mut told) = (0, false);
    while !told && let Some(Output::Event { cursor, event }) = slow.try_recv() {
        told = is_lagged(&event);
        assert!(told || cursor > last);
        last = if told { last } else { cursor };
    }
    if !told {
        ann.command(Command::SetStatus(Presence { status: Status::Away, ..Presence::default() }))
            .await
            .unwrap();
        match timeout(PATIENCE, slow.recv()).await.unwrap() {
            Some(Output::Event { event, .. }) => assert!(is_lagged(&event), "{event:?}"),
            other => panic!("{other:?}"),
        }
    }
    slow_commands.command(Value::Null, Ok(Command::Replay { since: last })).await.unwrap();
    let mut replayed = 0;
    loop {
        match timeout(PATIENCE, slow.recv()).await.unwrap().unwrap() {
            Output::Replayed { line } => replayed += usize::from(line.contains("\"event\":\"message\"")),
            Output::Reply { answer, .. } => break assert_eq!(answer, Ok(Answer::Done)),
            Output::Event { .. } => {}
        }
    }
    assert!(replayed >= 200, "{replayed}");
}
