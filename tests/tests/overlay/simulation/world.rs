//! The world: edges, rendezvous and the network between them, moved event by event.

use std::time::{Duration, Instant};

use bytes::Bytes;
use overlay::limits::{LEASE_REQUEST_TIMEOUT, LEASE_WANTED};
use overlay::protocol::discovery::DiscoveryRequest;
use overlay::protocol::rendezvous::RendezvousRequest;
use overlay::{DiscoveryQuery, Keypair, LeaseEffect, PeerId, SignedAdvertisement};
use tests::Random;

use super::edge::{Asked, Edge};
use super::meeting::Meeting;
use super::network::{Event, Life, Network, Place, Question, latency};

/// How large a world is.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) peers: usize,
    pub(super) rendezvous: usize,
    /// Leases that each rendezvous grants at most.
    pub(super) leases_max: usize,
}

/// Everything there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) random: Random,
    pub(super) network: Network,
    pub(super) edges: Vec<Edge>,
    pub(super) meetings: Vec<Meeting>,
    pub(super) is_quiet: bool,
    start: Instant,
    /// Number of the last question.
    asked: u64,
}

impl World {
    pub(super) fn new(seed: u64, plan: &Plan) -> Self {
        let (mut random, start) = (Random::seeded(seed), Instant::now());
        let meetings: Vec<_> =
            (0..plan.rendezvous).map(|number| Meeting::new(number as u8 + 1, plan.leases_max)).collect();
        let edges =
            (0..plan.peers).map(|_| Edge::new(start, keypair(&mut random), plan.rendezvous)).collect();
        let network = Network::new(start);
        let mut world = Self { random, network, edges, meetings, is_quiet: false, start, asked: 0 };
        for edge in 0..plan.peers {
            world.start_edge(edge);
        }
        world
    }

    /// Things happen and go wrong for `time`.
    pub(super) fn churn(&mut self, time: Duration) {
        let end = self.network.now + time;
        self.network.at(self.network.now, Event::Act);
        self.run_until(end);
    }

    /// Nothing goes wrong any more: links are whole, rendezvous run, and `time` passes.
    pub(super) fn quiet(&mut self, time: Duration) {
        self.is_quiet = true;
        self.network.heal_all(&mut self.random);
        for place in 0..self.meetings.len() {
            self.meetings[place].is_on = true;
        }
        self.run_until(self.network.now + time);
    }

    /// Asks each rendezvous for everything that should be there, and for all that there is.
    pub(super) fn assert_settled(&mut self) {
        let now = self.network.now;
        for meeting in &mut self.meetings {
            let leased = |edge: &&Edge| edge.is_on && edge.leases.leased().contains(&meeting.id);
            let holders: Vec<_> = self.edges.iter().filter(leased).collect();
            let on = self.edges.iter().filter(|edge| edge.is_on).count();
            let known = meeting.service.peers(now).len();
            assert_eq!(known, holders.len(), "both sides agree on who holds a lease");
            assert_eq!(known, on.min(meeting.leases_max()), "no lease is left free that somebody wants");
            for (edge, asker) in holders.iter().zip(holders.iter().cycle().skip(1)) {
                for advertisement in edge.live(now) {
                    let query = DiscoveryQuery::new().equals("name", edge.name(&advertisement.key));
                    let found = meeting.find(now, asker.id(), query);
                    let said: Vec<_> = found.iter().map(SignedAdvertisement::advertisement).collect();
                    assert_eq!(said, [advertisement], "what {} has of {}", meeting.id, edge.id());
                }
                let query = DiscoveryQuery::new().publisher(edge.id()).threshold(100);
                let mut found = meeting.find(now, asker.id(), query);
                found.retain(|signed| !edge.live(now).any(|live| live == signed.advertisement()));
                assert_eq!(found, [], "something dead is found in life {} of {}", edge.life, edge.id());
            }
            let expected: usize = holders.iter().map(|edge| edge.live(now).count()).sum();
            assert_eq!(meeting.found_in_all(now), expected, "something of nobody is found at {}", meeting.id);
            meeting.assert_served_by_lease(now);
        }
        for edge in self.edges.iter().filter(|edge| edge.is_on) {
            let mut known = edge.known(now);
            known.retain(|advertisement| !edge.live(now).any(|live| live == advertisement));
            assert_eq!(known, [], "{} believes in what is gone", edge.id());
        }
    }

    /// Milliseconds since 1970, as the edges' clocks say.
    pub(super) fn wall_ms(&self) -> u64 {
        1_800_000_000_000 + (self.network.now - self.start).as_millis() as u64
    }

    pub(super) fn start_edge(&mut self, edge: usize) {
        let meetings: Vec<PeerId> = self.meetings.iter().map(|meeting| meeting.id).collect();
        let wall_ms = self.wall_ms();
        self.edges[edge].start(self.network.now, wall_ms, &meetings);
        self.move_edge(edge);
    }

    /// Lets an edge's rules act, and does what they want.
    pub(super) fn move_edge(&mut self, edge: usize) {
        let (now, wall_ms) = (self.network.now, self.wall_ms());
        let signed = self.edges[edge].let_time_pass(now, wall_ms);
        self.push_to_all(edge, &signed);
        while let Some(effect) = self.edges[edge].leases.poll_effect() {
            match effect {
                LeaseEffect::Request(rendezvous) => self.request_lease(edge, self.place(&rendezvous)),
                LeaseEffect::PushAll(rendezvous) => {
                    let everything = self.edges[edge].everything(now, wall_ms);
                    self.push(edge, self.place(&rendezvous), &everything);
                }
                LeaseEffect::Forgotten(_) | LeaseEffect::Granted { .. } | LeaseEffect::Lost { .. } => {}
            }
        }
        let (at, life) = (self.edges[edge].poll_timeout(), (edge, self.edges[edge].life));
        if let Some(at) = at.filter(|at| self.edges[edge].timer != Some(*at)) {
            self.edges[edge].timer = Some(at);
            self.network.at(at, Event::EdgeTimer(life));
        }
    }

    /// Pushes to each rendezvous whose lease holds.
    pub(super) fn push_to_all(&mut self, edge: usize, envelopes: &[Bytes]) {
        if envelopes.is_empty() {
            return;
        }
        for rendezvous in self.edges[edge].leases.leased() {
            self.push(edge, self.place(&rendezvous), envelopes);
        }
    }

    /// A question of `edge`, which is forgotten without an answer in time.
    pub(super) fn ask(&mut self, edge: usize, asked: Asked, question: Option<Question>) {
        self.asked += 1;
        let (number, life) = (self.asked, (edge, self.edges[edge].life));
        if let Some((session, question)) = asked.session.zip(question) {
            self.network.send(&mut self.random, session, false, Event::Asked(session, number, question));
        }
        self.edges[edge].asked.insert(number, asked);
        self.network.at(self.network.now + LEASE_REQUEST_TIMEOUT, Event::TimedOut(life, number));
    }

    /// The lease request that edges send.
    pub(super) fn lease_question(&self, edge: usize) -> Question {
        let request = RendezvousRequest::Lease { wanted: LEASE_WANTED, since: self.edges[edge].born };
        Question::Lease(request.encode().unwrap())
    }

    fn request_lease(&mut self, edge: usize, place: Place) {
        let session = self.edges[edge].sessions[place];
        let question = self.lease_question(edge);
        self.ask(edge, Asked { place, session, push: None }, Some(question));
        let life = (edge, self.edges[edge].life);
        if session.is_none() && !self.network.is_cut(edge, place) {
            let at = self.network.now + 2 * latency(&mut self.random);
            self.network.at(at, Event::Dialed(life, place));
        }
    }

    fn push(&mut self, edge: usize, place: Place, envelopes: &[Bytes]) {
        let Some(session) = self.edges[edge].sessions[place] else { return };
        let mut requests = DiscoveryRequest::publications(envelopes).map(|request| request.encode().unwrap());
        let Some(first) = requests.next() else { return };
        let asked = Asked { place, session: Some(session), push: Some(requests.collect()) };
        self.ask(edge, asked, Some(Question::Discovery(first)));
    }

    /// A rendezvous wants to be called when its rules say so.
    pub(super) fn plan_meeting(&mut self, place: Place) {
        let meeting = &mut self.meetings[place];
        let at = meeting.service.poll_timeout();
        if let Some(at) = at.filter(|at| meeting.timer != Some(*at)) {
            meeting.timer = Some(at);
            self.network.at(at, Event::MeetingTimer(place));
        }
    }

    fn place(&self, rendezvous: &PeerId) -> Place {
        self.meetings.iter().position(|meeting| meeting.id == *rendezvous).unwrap()
    }

    pub(super) fn is_current(&self, (edge, life): Life) -> bool {
        self.edges[edge].is_on && self.edges[edge].life == life
    }

    fn run_until(&mut self, end: Instant) {
        while let Some(event) = self.network.next(end) {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Event) {
        let now = self.network.now;
        match event {
            Event::EdgeTimer(life) if self.is_current(life) => self.move_edge(life.0),
            Event::MeetingTimer(place) => {
                self.meetings[place].service.expire(now);
                self.plan_meeting(place);
            }
            Event::Dialed(life, place) if self.is_current(life) => self.on_dialed(life, place),
            Event::Asked(session, number, question) => self.on_asked(session, number, question),
            Event::Answered(session, number, body) => self.on_answered(session, number, body),
            Event::TimedOut(life, number) if self.is_current(life) => self.on_unanswered(life.0, number),
            Event::EdgeLoses(session) => self.on_edge_loses(session),
            Event::MeetingLoses(session) => self.on_meeting_loses(session),
            Event::CutNoticed { session, at_edge, cut } if self.network.is_cut_by(session, cut) => {
                if at_edge { self.on_edge_loses(session) } else { self.on_meeting_loses(session) }
            }
            Event::Healed(edge, place) => self.network.heal(&mut self.random, edge, place),
            Event::MeetingStarts(place) => self.meetings[place].is_on = true,
            Event::Act if !self.is_quiet => self.act(),
            _ => {}
        }
    }
}

/// A key of the next random bytes.
pub(super) fn keypair(random: &mut Random) -> Keypair {
    let mut bytes = [0; 32];
    bytes.fill_with(|| random.draw() as u8);
    Keypair::ed25519_from_bytes(bytes).unwrap()
}
