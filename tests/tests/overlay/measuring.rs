//! What measuring takes of the program that is measured: no memory.

use std::time::{Duration, Instant};

use mgmt_service::arm::{
    Application, DestStatus, Outcome, Overflow, Path, Stopped, TransactionDefinition, ValueDefinition,
    ValueKind,
};
use overlay::Keypair;

use crate::counting::peak_of;

#[test]
fn start_and_stop_allocate_nothing_with_typed_metrics_that_have_nothing_to_say() {
    let peer = Keypair::generate_ed25519().public().to_peer_id();
    let application = Application::new(peer, [7; 32]);
    let consumer = application.subscribe(1024, Overflow::DropOldest).unwrap();
    let typed = vec![ValueDefinition::new("waits", "ms", ValueKind::Text)];
    for (name, values) in [("plain", vec![]), ("typed", typed)] {
        let timeout = Duration::from_secs(60);
        let definition = TransactionDefinition { values, ..TransactionDefinition::new(name, timeout) };
        let transaction = application.define(definition).unwrap();
        let now = Instant::now();
        let exchanges = || {
            for at_ms in 0..500 {
                let correlator = transaction.start(now, at_ms, peer, Path::Direct).unwrap();
                let stopped = transaction.stop(now, correlator, peer, Outcome::good(DestStatus::Online));
                assert_eq!(stopped, Stopped::Recorded);
            }
        };
        // What the consumer's queue has taken it keeps.
        exchanges();
        while consumer.get().is_some() {}
        let ((), bytes) = peak_of(exchanges);
        assert_eq!(bytes, 0, "{name}");
        let mut records = 0;
        while let Some(record) = consumer.get() {
            assert_eq!(record.details.values, None);
            records += 1;
        }
        assert_eq!(records, 500);
    }
}
