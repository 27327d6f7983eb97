//! What happens by itself: peers publish, change their mind, crash, leave and come back; links and rendezvous fail.

use std::time::Duration;

use overlay::protocol::rendezvous::RendezvousRequest;
use overlay::{DiscoveryQuery, Lifetime};

use super::network::{Event, Place, Question, SessionId};
use super::world::{World, keypair};

impl World {
    /// One thing happens, and the next is planned: each peer does something about once a minute.
    pub(super) fn act(&mut self) {
        let edge = self.random.within(0..self.edges.len());
        let place = self.random.within(0..self.meetings.len());
        match (self.random.within(0..100), self.edges[edge].is_on) {
            (0..70, false) => self.come(edge),
            (0..30, true) => self.publish(edge),
            (30..45, true) => self.withdraw(edge),
            (45..55, true) => self.go(edge),
            (55..70, true) => self.discover(edge, place),
            (70..80, _) => {
                let time = self.seconds(2..120);
                self.network.cut(&mut self.random, edge, place, time);
            }
            (80..83, _) => {
                let time = self.seconds(2..120);
                for place in 0..self.meetings.len() {
                    self.network.cut(&mut self.random, edge, place, time);
                }
            }
            (83..97, _) => {
                for session in self.network.on_link(edge, place) {
                    self.break_session(session);
                }
            }
            _ if self.random.one_in(40) => self.fail_meeting(place),
            _ => {}
        }
        let pause = 2 * MINUTE_US / self.edges.len();
        let next = self.network.now + Duration::from_micros(self.random.within(0..pause) as u64);
        self.network.at(next, Event::Act);
    }

    fn publish(&mut self, edge: usize) {
        // Most publish little; some as much as a rendezvous takes of one peer.
        let keys = if edge.is_multiple_of(50) { 60 } else { 4 };
        let wall_ms = self.wall_ms();
        for _ in 0..=keys / 8 {
            let key = format!("key-{}", self.random.within(0..keys));
            let lifetime = self.lifetime();
            let signed = self.edges[edge].publish(self.network.now, wall_ms, &key, lifetime);
            self.push_to_all(edge, &signed);
        }
        self.move_edge(edge);
    }

    fn withdraw(&mut self, edge: usize) {
        let (now, wall_ms) = (self.network.now, self.wall_ms());
        let keys = self.edges[edge].keys(now);
        if !keys.is_empty() {
            let key = self.random.one_of(&keys);
            let signed = self.edges[edge].withdraw(now, wall_ms, key);
            self.push_to_all(edge, &signed);
        }
        self.move_edge(edge);
    }

    /// Whether a program is killed, a machine loses its power, or a peer says farewell.
    fn go(&mut self, edge: usize) {
        let how = self.random.within(0..3);
        for (place, session) in self.edges[edge].sessions.clone().into_iter().enumerate() {
            let Some(session) = session else { continue };
            if how == 0 && self.edges[edge].leases.leased().contains(&self.meetings[place].id) {
                let farewell = Question::Lease(RendezvousRequest::Cancel.encode().unwrap());
                self.network.send(&mut self.random, session, false, Event::Asked(session, 0, farewell));
            }
            self.network.sessions[session].edge_end = false;
            let lost = Event::MeetingLoses(session);
            self.end_of(session, false, how == 2, lost);
        }
        self.edges[edge].end();
    }

    fn come(&mut self, edge: usize) {
        if self.random.one_in(2) {
            self.edges[edge].keypair = keypair(&mut self.random);
        }
        self.start_edge(edge);
        self.publish(edge);
    }

    /// Looks for what somebody publishes, and remembers what is found.
    fn discover(&mut self, edge: usize, place: Place) {
        let (now, other) = (self.network.now, self.random.within(0..self.edges.len()));
        if self.edges[edge].sessions[place].is_none()
            || self.network.is_cut(edge, place)
            || !self.meetings[place].is_on
        {
            return;
        }
        let query = DiscoveryQuery::new().publisher(self.edges[other].id());
        let found = self.meetings[place].find(now, self.edges[edge].id(), query);
        if other != edge {
            found.into_iter().for_each(|signed| self.edges[edge].learn(now, signed));
        }
        // It looks at everything, which is slow.
        if self.random.one_in(50) {
            self.meetings[place].assert_served_by_lease(now);
        }
        self.move_edge(edge);
    }

    /// A connection is reset: both ends notice soon, one after the other.
    fn break_session(&mut self, session: SessionId) {
        self.network.send(&mut self.random, session, true, Event::EdgeLoses(session));
        self.network.send(&mut self.random, session, false, Event::MeetingLoses(session));
    }

    /// A rendezvous restarts, at once or later, or only its service does and the sessions stay.
    fn fail_meeting(&mut self, place: Place) {
        self.meetings[place].forget();
        if self.random.one_in(3) {
            return;
        }
        let silent = self.random.one_in(2);
        for session in 0..self.network.sessions.len() {
            let known = &mut self.network.sessions[session];
            if known.place == place && std::mem::take(&mut known.meeting_end) {
                self.end_of(session, true, silent, Event::EdgeLoses(session));
            }
        }
        self.meetings[place].is_on = false;
        let back = self.network.now + self.seconds(0..60);
        self.network.at(back, Event::MeetingStarts(place));
    }

    /// The other end hears of it at once, or finds out by itself.
    fn end_of(&mut self, session: SessionId, at_edge: bool, silent: bool, lost: Event) {
        if silent {
            let at = self.network.now + self.seconds(15..45);
            self.network.at(at, lost);
        } else {
            self.network.send(&mut self.random, session, at_edge, lost);
        }
    }

    /// As long as the publisher lives, renewed often or hardly ever; or for a while, and then soon forgotten.
    fn lifetime(&mut self) -> Lifetime {
        match self.random.within(0..4) {
            0 => Lifetime::while_alive(Duration::from_secs(60)),
            1 => Lifetime { local: self.seconds(10..90), remote: Duration::from_secs(60) },
            _ => Lifetime::while_alive(Duration::from_secs(3600)),
        }
    }

    fn seconds(&mut self, range: std::ops::Range<usize>) -> Duration {
        Duration::from_secs(self.random.within(range) as u64)
    }
}

const MINUTE_US: usize = 60_000_000;
