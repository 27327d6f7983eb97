//! The stopwatch of one pipe: starts a transaction right before a PING is written, stops it right after its PONG was
//! read (paper §4.3).

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mgmt_service::arm::{Correlator, DestStatus, Outcome, Path as ArmPath, Status as ArmStatus, Transaction};
use overlay::PeerId;

use crate::limits::PINGS_OUTSTANDING_MAX;
use crate::messenger::{Counter, Counters};
use crate::presence::Path;
use crate::status::Status;
use crate::wire::Pong;

/// Outstanding PINGs of one pipe.
#[derive(Debug)]
pub(super) struct Pinger {
    peer: PeerId,
    path: Path,
    transaction: Transaction,
    counters: Counters,
    /// Held for a few instructions by the two halves of one task.
    outstanding: Mutex<VecDeque<Outstanding>>,
}

#[derive(Debug, Clone, Copy)]
struct Outstanding {
    correlator: u64,
    started: Instant,
    measured: bool,
}

impl Pinger {
    pub(super) fn new(peer: PeerId, path: Path, transaction: Transaction, counters: Counters) -> Self {
        Self { peer, path, transaction, counters, outstanding: Mutex::default() }
    }

    /// Starts the clock; the correlator for the PING that is written next.
    pub(super) fn start(&self, now: Instant, wall_ms: u64) -> u64 {
        let started = self.transaction.start(now, wall_ms, self.peer, arm_path(self.path));
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
        outstanding.push_back(Outstanding { correlator, started: now, measured });
        correlator
    }

    /// Stops the clock; the round trip when the PONG answers an outstanding PING of this pipe.
    pub(super) fn stop(&self, now: Instant, pong: &Pong) -> Option<Duration> {
        let outcome = Outcome {
            status: ArmStatus::Good,
            dest_status: dest_status(pong.presence.status),
            hold_us: Some(pong.hold_us.into()),
        };
        let mut outstanding = self.outstanding.lock().unwrap_or_else(PoisonError::into_inner);
        let at = outstanding.iter().position(|ping| ping.correlator == pong.correlator);
        let ping = at.and_then(|at| outstanding.remove(at));
        drop(outstanding);
        // One that is not outstanding here is still told to ARM, which counts it as late or forged.
        if ping.is_none_or(|ping| ping.measured) {
            self.transaction.stop(now, Correlator(pong.correlator), self.peer, outcome);
        }
        ping.map(|ping| now.saturating_duration_since(ping.started))
    }

    /// Whether a PONG is awaited that could still come in time to be of use.
    pub(super) fn is_waiting(&self) -> bool {
        !self.outstanding.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

fn arm_path(path: Path) -> ArmPath {
    match path {
        Path::Direct => ArmPath::Direct,
        Path::Relayed => ArmPath::Relayed,
    }
}

fn dest_status(status: Status) -> DestStatus {
    match status {
        Status::Online => DestStatus::Online,
        Status::Busy => DestStatus::Busy,
        Status::Away => DestStatus::Away,
        Status::Offline => DestStatus::Offline,
    }
}
