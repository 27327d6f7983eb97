//! The faces that are told what happens.
//!
//! In: outputs in the order of their cursors. Out: one queue for each face. A face whose queue is full misses events,
//! is told so by a `warning` `lagged` before the next one it gets, and never holds up anybody.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::face::Output;
use crate::limits::FACES_MAX;
use crate::messenger::{Counter, Counters, Event};

/// All faces.
#[derive(Debug)]
pub(super) struct Outlets {
    faces: Vec<Outlet>,
    counters: Counters,
}

#[derive(Debug)]
struct Outlet {
    outputs: mpsc::Sender<Output>,
    /// Events missed since the last that was taken, and the cursor of the newest of them.
    missed: Option<(u64, u64)>,
}

impl Outlets {
    pub(super) fn new(counters: Counters) -> Self {
        Self { faces: Vec::new(), counters }
    }

    /// Whether one more face may come.
    pub(super) fn has_room(&mut self) -> bool {
        self.faces.retain(|face| !face.outputs.is_closed());
        let room = self.faces.len() < FACES_MAX;
        if !room {
            self.counters.count(Counter::FacesRefused);
        }
        room
    }

    /// A face comes, and is told `first`.
    pub(super) fn add(&mut self, outputs: mpsc::Sender<Output>, first: Vec<(u64, Event)>) {
        let mut face = Outlet { outputs, missed: None };
        for (cursor, event) in first {
            face.tell(cursor, &Arc::new(event), &self.counters);
        }
        self.faces.push(face);
    }

    /// Tells all faces.
    pub(super) fn tell(&mut self, cursor: u64, event: Event) {
        let event = Arc::new(event);
        for face in &mut self.faces {
            face.tell(cursor, &event, &self.counters);
        }
        self.faces.retain(|face| !face.outputs.is_closed());
    }
}

impl Outlet {
    fn tell(&mut self, cursor: u64, event: &Arc<Event>, counters: &Counters) {
        if let Some((missed, newest)) = self.missed {
            let message = format!(
                "{missed} events were left out because they were not read in time; replay tells them"
            );
            let warning =
                Output::Event { cursor: newest, event: Arc::new(Event::Warning { code: "lagged", message }) };
            if self.outputs.try_send(warning).is_ok() {
                self.missed = None;
            }
        }
        let output = Output::Event { cursor, event: Arc::clone(event) };
        if self.missed.is_some() || self.outputs.try_send(output).is_err() {
            counters.count(Counter::EventsLagged);
            let missed = self.missed.map_or(0, |(missed, _)| missed);
            self.missed = Some((missed + 1, cursor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u64) -> Event {
        Event::Warning { code: "test", message: n.to_string() }
    }

    fn cursors(outputs: &mut mpsc::Receiver<Output>) -> Vec<(u64, &'static str)> {
        std::iter::from_fn(|| outputs.try_recv().ok())
            .filter_map(|output| match output {
                Output::Event { cursor, event } => match event.as_ref() {
                    Event::Warning { code, .. } => Some((cursor, *code)),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_slow_face_is_told_that_it_missed_events_and_a_quick_one_misses_none() {
        let mut outlets = Outlets::new(Counters::default());
        let (slow, mut slow_outputs) = mpsc::channel(2);
        let (quick, mut quick_outputs) = mpsc::channel(16);
        outlets.add(slow, vec![]);
        outlets.add(quick, vec![]);
        for n in 1..=5 {
            outlets.tell(n, event(n));
        }
        assert_eq!(cursors(&mut slow_outputs), [(1, "test"), (2, "test")]);
        outlets.tell(6, event(6));
        assert_eq!(cursors(&mut slow_outputs), [(5, "lagged"), (6, "test")]);
        assert_eq!(cursors(&mut quick_outputs).len(), 6);
        assert_eq!(outlets.counters.get(Counter::EventsLagged), 3);
    }

    #[test]
    fn a_face_that_is_gone_makes_room() {
        let mut outlets = Outlets::new(Counters::default());
        let mut kept = Vec::new();
        for _ in 0..FACES_MAX {
            let (outputs, receiver) = mpsc::channel(1);
            assert!(outlets.has_room());
            outlets.add(outputs, vec![]);
            kept.push(receiver);
        }
        assert!(!outlets.has_room());
        kept.pop();
        assert!(outlets.has_room());
    }
}
