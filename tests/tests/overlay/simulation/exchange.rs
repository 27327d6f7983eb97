//! What arrives, and what each end makes of it: the part of an event loop that the network sees.

use bytes::Bytes;
use overlay::protocol::discovery::PublishAnswer;
use overlay::protocol::rendezvous::LeaseGrant;

use super::edge::Asked;
use super::network::{Event, Life, Place, Question, SessionId};
use super::world::World;

impl World {
    pub(super) fn on_dialed(&mut self, life: Life, place: Place) {
        let edge = life.0;
        if self.edges[edge].sessions[place].is_some() || self.network.is_cut(edge, place) {
            return;
        }
        let waits = |asked: &Asked| asked.place == place && asked.push.is_none() && asked.session.is_none();
        let waiting: Vec<u64> = self.edges[edge]
            .asked
            .iter()
            .filter(|(_, asked)| waits(asked))
            .map(|(number, _)| *number)
            .collect();
        if !self.meetings[place].is_on {
            waiting.into_iter().for_each(|number| self.on_unanswered(edge, number));
            return;
        }
        let id = self.edges[edge].id();
        let session = self.network.open(life, place, id);
        self.edges[edge].sessions[place] = Some(session);
        self.meetings[place].service.session_opened(self.network.now, &id);
        for number in waiting {
            let question = self.lease_question(edge);
            self.edges[edge].asked.get_mut(&number).unwrap().session = Some(session);
            self.network.send(&mut self.random, session, false, Event::Asked(session, number, question));
        }
    }

    pub(super) fn on_asked(&mut self, session: SessionId, number: u64, question: Question) {
        let (life, place) = (self.network.sessions[session].life, self.network.sessions[session].place);
        if self.network.is_cut(life.0, place) {
            return self.network.stall(session, Event::Asked(session, number, question));
        }
        if !self.network.sessions[session].meeting_end {
            return self.network.send(&mut self.random, session, true, Event::EdgeLoses(session));
        }
        let from = self.network.sessions[session].from;
        let answer = self.meetings[place].answer(self.network.now, from, &question);
        let answered = Event::Answered(session, number, answer.ok());
        self.network.send(&mut self.random, session, true, answered);
        self.plan_meeting(place);
    }

    pub(super) fn on_answered(&mut self, session: SessionId, number: u64, body: Option<Bytes>) {
        let ((edge, life), place) =
            (self.network.sessions[session].life, self.network.sessions[session].place);
        if self.network.is_cut(edge, place) {
            return self.network.stall(session, Event::Answered(session, number, body));
        }
        if !self.is_current((edge, life)) || !self.network.sessions[session].edge_end {
            return;
        }
        let Some(body) = body else { return self.on_unanswered(edge, number) };
        let Some(asked) = self.edges[edge].asked.remove(&number) else { return };
        match asked.push {
            None if body.is_empty() => {}
            None => {
                let grant = LeaseGrant::decode(&body).unwrap();
                self.on_granted(edge, place, &grant);
            }
            Some(mut rest) => {
                if PublishAnswer::decode(&body).unwrap().refused > 0 {
                    self.on_not_pushed(edge, place);
                }
                if let Some(next) = rest.pop_front() {
                    let asked = Asked { place, session: Some(session), push: Some(rest) };
                    self.ask(edge, asked, Some(Question::Discovery(next)));
                }
            }
        }
        self.move_edge(edge);
    }

    fn on_granted(&mut self, edge: usize, place: Place, grant: &LeaseGrant) {
        let (rendezvous, jitter) = (self.meetings[place].id, self.random.draw() as u32);
        self.edges[edge].leases.granted(self.network.now, rendezvous, *grant, jitter);
    }

    /// A question was refused, or not answered in time, or its session is gone.
    pub(super) fn on_unanswered(&mut self, edge: usize, number: u64) {
        let Some(asked) = self.edges[edge].asked.remove(&number) else { return };
        match asked.push {
            Some(_) => self.on_not_pushed(edge, asked.place),
            None => {
                let (rendezvous, jitter) = (self.meetings[asked.place].id, self.random.draw() as u32);
                self.edges[edge].leases.failed(self.network.now, rendezvous, "no answer".into(), jitter);
            }
        }
        self.move_edge(edge);
    }

    fn on_not_pushed(&mut self, edge: usize, place: Place) {
        let rendezvous = self.meetings[place].id;
        self.edges[edge].leases.push_failed(&rendezvous);
    }

    pub(super) fn on_edge_loses(&mut self, session: SessionId) {
        let ((edge, life), place) =
            (self.network.sessions[session].life, self.network.sessions[session].place);
        if !std::mem::take(&mut self.network.sessions[session].edge_end) || !self.is_current((edge, life)) {
            return;
        }
        self.edges[edge].sessions[place] = None;
        let through = |asked: &Asked| asked.session == Some(session);
        let lost: Vec<u64> = self.edges[edge]
            .asked
            .iter()
            .filter(|(_, asked)| through(asked))
            .map(|(number, _)| *number)
            .collect();
        lost.into_iter().for_each(|number| self.on_unanswered(edge, number));
        let rendezvous = self.meetings[place].id;
        self.edges[edge].leases.session_lost(self.network.now, rendezvous);
        self.move_edge(edge);
    }

    pub(super) fn on_meeting_loses(&mut self, session: SessionId) {
        let (from, place) = (self.network.sessions[session].from, self.network.sessions[session].place);
        if !std::mem::take(&mut self.network.sessions[session].meeting_end) || !self.meetings[place].is_on {
            return;
        }
        let edge = self.network.sessions[session].life.0;
        let others = self.network.on_link(edge, place);
        if !others.iter().any(|other| {
            self.network.sessions[*other].meeting_end && self.network.sessions[*other].from == from
        }) {
            self.meetings[place].service.session_lost(self.network.now, &from);
        }
        self.plan_meeting(place);
    }
}
