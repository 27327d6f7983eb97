//! A TCP port on loopback that stays free until somebody listens there, and between two who do.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port where nobody listens, out of those that the system never gives to who asks for any port, or connects: only there
/// can one be left and taken again. Each call gives another one.
///
/// # Panics
/// When all are taken.
#[must_use]
pub fn lasting_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run at the same time begin at different places.
    let begin = std::process::id() % u32::from(PORTS) * STEP;
    let places = (0..PORTS).map(|_| u32::from(NEXT.fetch_add(1, Ordering::Relaxed)));
    let mut ports = places.map(|place| FIRST + ((begin + place) % u32::from(PORTS)) as u16);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port is free")
}

const FIRST: u16 = 20_000;
const PORTS: u16 = 12_000;
/// How far apart two processes begin whose ids follow each other.
const STEP: u32 = 7;

#[test]
fn a_port_is_given_once() {
    let ports: std::collections::BTreeSet<u16> = (0..100).map(|_| lasting_port()).collect();
    assert_eq!(ports.len(), 100);
    assert!(ports.iter().all(|port| (FIRST..FIRST + PORTS).contains(port)));
}
