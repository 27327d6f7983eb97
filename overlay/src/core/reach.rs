//! What a peer does so that others reach it, and that they reach each other.

use std::time::Duration;

use crate::limits::{
    CIRCUIT_BYTES_MAX, CIRCUIT_LIFE_MAX, CIRCUITS_MAX, CIRCUITS_PER_PEER_MAX, RESERVATION_LIFE,
    RESERVATIONS_MAX,
};

/// Whether a peer lets relays take connections for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RelayUse {
    /// Only at the relays it is told to listen at (`/…/p2p/<relay>/p2p-circuit`).
    #[default]
    Off,
    /// At its rendezvous too, as long as nobody outside has found it reachable without; it asks whoever can tell
    /// (AutoNAT v2).
    Auto,
}

/// What a peer serves to those that can't be dialed: a relay (circuit relay v2), and dials back that tell whether one
/// can be dialed (AutoNAT v2). Circuits are encrypted end to end: a relay sees who talks to whom and how much.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reach {
    /// Peers that may hold a reservation. Default [`RESERVATIONS_MAX`].
    pub reservations: u32,
    /// Life of a reservation. Default [`RESERVATION_LIFE`].
    pub reservation_life: Duration,
    /// Circuits at once. Default [`CIRCUITS_MAX`].
    pub circuits: u32,
    /// Circuits of one peer. Default [`CIRCUITS_PER_PEER_MAX`].
    pub circuits_per_peer: u32,
    /// Bytes of one circuit, both ways together; 0 for no bound. Default [`CIRCUIT_BYTES_MAX`].
    pub circuit_bytes: u64,
    /// Life of one circuit, cut to what fits 32 bits of seconds. Default [`CIRCUIT_LIFE_MAX`].
    pub circuit_life: Duration,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            reservations: RESERVATIONS_MAX,
            reservation_life: RESERVATION_LIFE,
            circuits: CIRCUITS_MAX,
            circuits_per_peer: CIRCUITS_PER_PEER_MAX,
            circuit_bytes: CIRCUIT_BYTES_MAX,
            circuit_life: CIRCUIT_LIFE_MAX,
        }
    }
}

impl Reach {
    /// With room for so many reservations.
    pub fn reservations(mut self, reservations: u32) -> Self {
        self.reservations = reservations;
        self
    }

    /// With so many circuits, in all and of one peer.
    pub fn circuits(mut self, circuits: u32, per_peer: u32) -> Self {
        (self.circuits, self.circuits_per_peer) = (circuits, per_peer);
        self
    }

    /// With circuits that carry so many bytes and live so long.
    pub fn circuit(mut self, bytes: u64, life: Duration) -> Self {
        (self.circuit_bytes, self.circuit_life) = (bytes, life);
        self
    }
}
