//! What a rendezvous is asked by its operator, and by anybody: whole requests, through to their answers.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use overlay::fuzzing::{Decoder, survives};
use overlay::{GroupId, Keypair, PeerId};
use rendezvous::Service;
use rendezvous::config::Config;
use rendezvous::limits::Limits;
use rendezvous::net::control::ControlRequest;

/// The decoders.
pub(super) const DECODERS: &[Decoder] = &[
    Decoder::new("rendezvous.control", control, control_samples),
    Decoder::new("rendezvous.config", config, config_samples),
    Decoder::new("rendezvous.lease-service", lease_service, || samples_of("overlay.rendezvous")),
    Decoder::new("rendezvous.discovery-service", discovery_service, || samples_of("overlay.discovery")),
];

fn control(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| serde_json::from_slice::<ControlRequest>(bytes).ok();
    decode(bytes).is_some_and(|request| survives(&request, serde_json::to_vec(&request), decode))
}

fn control_samples() -> Vec<Vec<u8>> {
    let ban = ControlRequest::Ban { peer: peer() };
    let requests = [ControlRequest::Status, ControlRequest::Peers, ControlRequest::Groups, ban];
    requests.map(|request| serde_json::to_vec(&request).unwrap()).to_vec()
}

fn config(bytes: &[u8]) -> bool {
    let Some(text) = std::str::from_utf8(bytes).ok() else { return false };
    toml::from_str::<Config>(text).is_ok_and(|config| config.limits.check().is_ok())
}

fn config_samples() -> Vec<Vec<u8>> {
    let limits = toml::to_string(&Limits::default()).unwrap().replace('[', "[limits.");
    vec![format!("[limits]\n{limits}").into_bytes(), b"http = \"127.0.0.1:9464\"\n".to_vec()]
}

/// Whether a fresh service answers it; a stranger's request never leaves a lease that was not granted.
fn lease_service(bytes: &[u8]) -> bool {
    let mut service = Service::new(&Limits::default(), Arc::default());
    let granted = service.lease(now(), peer(), bytes);
    let holders = service.peers(now()).len();
    assert!(holders <= usize::from(granted.is_ok()), "a lease without a grant");
    granted.is_ok()
}

/// Whether a fresh service answers it; who has no lease leaves nothing in the index.
fn discovery_service(bytes: &[u8]) -> bool {
    let mut service = Service::new(&Limits::default(), Arc::default());
    let answer = service.discovery(now(), peer(), GroupId::net(), bytes);
    assert!(service.groups(now()).is_empty(), "published without a lease");
    answer.is_ok() || answer == Err(overlay::RefuseReason::NotLeased)
}

fn samples_of(name: &str) -> Vec<Vec<u8>> {
    super::named(name).map(|decoder| (decoder.samples)()).unwrap_or_default()
}

fn peer() -> PeerId {
    Keypair::ed25519_from_bytes([1; 32]).unwrap().public().to_peer_id()
}

/// Any moment, the same for all.
fn now() -> Instant {
    static NOW: OnceLock<Instant> = OnceLock::new();
    *NOW.get_or_init(Instant::now)
}
