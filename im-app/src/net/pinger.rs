//! The stopwatch of one pipe: starts a transaction right before a PING is written, stops it right after its PONG was
//! read (paper §4.3).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mgmt_service::arm::{
    Correlator, DestStatus, MetricValue, Outcome, Path, Split, Status as ArmStatus, Transaction,
};
use mgmt_service::net::ProcessorWaits;
use overlay::{Peer, PeerId, Reached};

use crate::limits::PINGS_OUTSTANDING_MAX;
use crate::messenger::{Counter, Counters};
use crate::status::Status;
use crate::wire::Pong;

/// Outstanding PINGs of one pipe.
#[derive(Debug)]
pub(super) struct Pinger {
    /// Who asks: knows how it is connected.
    own: Peer,
    peer: PeerId,
    transaction: Transaction,
    counters: Counters,
    /// What the next record tells of this process.
    waits: Arc<ProcessorWaits>,
    /// Held for a few instructions by the two halves of one task.
    outstanding: Mutex<VecDeque<Outstanding>>,
    /// Since when the pipe is there, and what this side had done by then to open one.
    up: Instant,
    opened: Option<Reached>,
}

#[derive(Debug, Clone, Copy)]
struct Outstanding {
    correlator: u64,
    started: Instant,
    wall_ms: u64,
    measured: bool,
    split: Split,
}

impl Pinger {
    pub(super) fn new(
        own: Peer,
        peer: PeerId,
        (transaction, waits): (Transaction, Arc<ProcessorWaits>),
        counters: Counters,
        up: Instant,
        opened: Option<Reached>,
    ) -> Self {
        Self { own, peer, transaction, counters, waits, outstanding: Mutex::default(), up, opened }
    }

    /// Starts the clock; the correlator for the PING that is written next and was to be written when it was `due`.
    pub(super) fn start(&self, now: Instant, wall_ms: u64, due: Instant) -> u64 {
        let split = waited(now, due, self.up, self.opened);
        let started = self.transaction.start(now, wall_ms, self.peer, self.path());
        let mut outstanding = self.outstanding.lock().unwrap_or_else(PoisonError::into_inner);
        let (correlator, measured) = match started {
            Ok(correlator) => (correlator.0, true),
            Err(_) => {
                self.counters.count(Counter::PingsUnmeasured);
                (outstanding.back().map_or(0, |last| last.correlator.wrapping_add(1)), false)
            }
        };
        if outstanding.len() >= PINGS_OUTSTANDING_MAX {
            outstanding.pop_front();
        }
        outstanding.push_back(Outstanding { correlator, started: now, wall_ms, measured, split });
        correlator
    }

    /// Stops the clock; the round trip when the PONG answers an outstanding PING of this pipe.
    pub(super) fn stop(&self, now: Instant, pong: &Pong) -> Option<Duration> {
        let mut outstanding = self.outstanding.lock().unwrap_or_else(PoisonError::into_inner);
        let at = outstanding.iter().position(|ping| ping.correlator == pong.correlator);
        let ping = at.and_then(|at| outstanding.remove(at));
        drop(outstanding);
        let outcome = Outcome {
            status: ArmStatus::Good,
            dest_status: dest_status(pong.presence.status),
            hold_us: Some(pong.hold_us.into()),
            split: Split {
                network_us: self.own.round_trip(self.peer).map(micros),
                ..ping.map(|ping| ping.split).unwrap_or_default()
            },
        };
        // One that is not outstanding here is still told to ARM, which counts it as late or forged.
        let stop = |values: &[Option<MetricValue>]| {
            self.transaction.stop_with(now, Correlator(pong.correlator), self.peer, outcome, values)
        };
        if ping.is_none() {
            stop(&[]);
        } else if let Some(ping) = ping.filter(|ping| ping.measured) {
            self.waits.tell(ping.wall_ms, stop);
        }
        ping.map(|ping| now.saturating_duration_since(ping.started))
    }

    /// The way that the PING takes: a direct connection, when there is one, is preferred to one through a relay.
    fn path(&self) -> Path {
        let paths = self.own.paths(self.peer);
        if !paths.is_empty() && paths.iter().all(|path| path.relayed) { Path::Relayed } else { Path::Direct }
    }

    /// Whether a PONG is awaited that could still come in time to be of use.
    pub(super) fn is_waiting(&self) -> bool {
        !self.outstanding.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// What a PING that was `due` waited for until `now`: for its pipe, which is there since `up`, and for this process.
pub(super) fn waited(now: Instant, due: Instant, up: Instant, opened: Option<Reached>) -> Split {
    let (all, for_pipe) = (now.saturating_duration_since(due), up.saturating_duration_since(due));
    if for_pipe.is_zero() {
        return Split { queue_us: Some(micros(all)), ..Split::default() };
    }
    // A pipe that only the other side wanted was dialed there. What comes on top of an own dial is the wait for its turn.
    let lookup = opened.map(|opened| opened.lookup.min(for_pipe));
    let dial = opened.map_or(for_pipe, |opened| opened.dial.min(for_pipe.saturating_sub(opened.lookup)));
    let queue = all.saturating_sub(dial).saturating_sub(lookup.unwrap_or_default());
    Split {
        queue_us: Some(micros(queue)),
        lookup_us: lookup.map(micros),
        dial_us: Some(micros(dial)),
        network_us: None,
    }
}

/// A duration as records have it; what is longer than they can say is cut.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn dest_status(status: Status) -> DestStatus {
    match status {
        Status::Online => DestStatus::Online,
        Status::Busy => DestStatus::Busy,
        Status::Away => DestStatus::Away,
        Status::Offline => DestStatus::Offline,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    #[test]
    fn what_a_ping_waited_for_adds_up_to_its_wait() {
        let due = Instant::now();
        let at = |ms| due + Duration::from_millis(ms);
        let opened = Reached { lookup: Duration::from_millis(300), dial: Duration::from_millis(500) };
        let split = |now, up, opened| waited(now, due, up, opened).values().map(|us| us.map(|us| us / 1000));
        // Due when the pipe was there already: whatever that took, this PING did not wait for it.
        assert_eq!(split(at(3), due, Some(opened)), [Some(3), None, None, None]);
        assert_eq!(split(at(850), at(840), Some(opened)), [Some(50), Some(300), Some(500), None]);
        assert_eq!(split(at(400), at(400), Some(opened)), [Some(0), Some(300), Some(100), None]);
        assert_eq!(split(at(710), at(700), None), [Some(10), None, Some(700), None]);
    }
}
