//! A peer with a cache directory starts again: what it published and found is known without any rendezvous.

use std::fs;
use std::path::Path;
use std::time::Duration;

use overlay::{
    Advertisement, AdvertisementKind, DiscoveryQuery, Keypair, Lifetime, Peer, SignedAdvertisement,
    SpawnError,
};
use rendezvous::limits::Limits;
use rendezvous::net::server::Server;

use crate::world::{PATIENCE, becomes, discover, group, meter, peer};

const FILE: &str = "advertisements.cache";

async fn remembering(keypair: &Keypair, dir: &Path, rendezvous: Option<&Peer>) -> Peer {
    let builder = Peer::builder().keypair(keypair.clone()).cache_dir(dir);
    let Some(rendezvous) = rendezvous else { return builder.spawn().await.unwrap() };
    let peer = builder.rendezvous(rendezvous.addresses().remove(0)).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    peer
}

async fn publish(peer: &Peer, name: &str, lifetime: Lifetime) {
    let service = Advertisement::new(AdvertisementKind::Service).key(name).attribute("name", name);
    group(peer).publish(service, lifetime).await.unwrap();
}

async fn known(peer: &Peer) -> Vec<String> {
    let services = DiscoveryQuery::new().kind(AdvertisementKind::Service);
    let found = discover(peer, services).await;
    let mut names: Vec<_> =
        found.iter().filter_map(|signed| signed.advertisement().text("name").map(str::to_owned)).collect();
    names.sort_unstable();
    names
}

fn minute() -> Lifetime {
    Lifetime::while_alive(Duration::from_secs(60))
}

/// A file that holds "found" and "own", of the peer with `keypair`.
async fn filled(keypair: &Keypair, dir: &Path) {
    let node = peer().await;
    let _server = Server::spawn(&node, &Limits::default()).unwrap();
    let anne = Peer::builder().rendezvous(node.addresses().remove(0)).spawn().await.unwrap();
    anne.wait_leased(PATIENCE).await.unwrap();
    publish(&anne, "found", minute()).await;
    let bert = remembering(keypair, dir, Some(&node)).await;
    assert_eq!(known(&bert).await, ["found"]);
    publish(&bert, "own", minute()).await;
    bert.shutdown().await;
}

#[tokio::test]
async fn what_was_published_and_found_is_known_again_without_a_rendezvous() {
    let (keypair, home) = (Keypair::generate_ed25519(), tempfile::tempdir().unwrap());
    filled(&keypair, home.path()).await;
    let over = Advertisement::new(AdvertisementKind::Service).key("over").attribute("name", "over");
    let over = Advertisement { group: group(&peer().await).id(), ..over };
    let over = SignedAdvertisement::sign(over, minute(), 1, &Keypair::generate_ed25519()).unwrap();
    let mut bytes = fs::read(home.path().join(FILE)).unwrap();
    bytes.extend(record(1_000, 61_000, &over.to_bytes()));
    fs::write(home.path().join(FILE), bytes).unwrap();
    let again = remembering(&keypair, home.path(), None).await;
    assert_eq!(known(&again).await, ["found", "own"]);
    assert_eq!(meter(&again, "cache_records_skipped"), 0);
    group(&again).withdraw_key(AdvertisementKind::Service, "own").await.unwrap_err();
    publish(&again, "own", minute()).await;
    group(&again).withdraw_key(AdvertisementKind::Service, "own").await.unwrap();
    again.shutdown().await;
    let third = remembering(&keypair, home.path(), None).await;
    assert_eq!(known(&third).await, ["found"], "a withdrawal is remembered too");
}

#[tokio::test]
async fn own_publications_are_newer_than_those_before_wherever_the_clock_is() {
    let (keypair, home) = (Keypair::generate_ed25519(), tempfile::tempdir().unwrap());
    // A clock that was a century ahead when this was signed: the file is what such a peer would leave.
    let ahead = 5_000_000_000_000;
    let advertisement = Advertisement::new(AdvertisementKind::Service).key("own").attribute("name", "old");
    let advertisement = Advertisement { group: group(&peer().await).id(), ..advertisement };
    let signed = SignedAdvertisement::sign(advertisement, minute(), ahead, &keypair).unwrap();
    fs::write(home.path().join(FILE), record(0, ahead, &signed.to_bytes())).unwrap();
    let again = remembering(&keypair, home.path(), None).await;
    assert_eq!(known(&again).await, ["old"]);
    publish(&again, "own", minute()).await;
    assert_eq!(known(&again).await, ["own"]);
}

/// A record as the file holds it.
fn record(known_ms: u64, ends_ms: u64, envelope: &[u8]) -> Vec<u8> {
    let len = u32::try_from(envelope.len()).unwrap();
    let body = [&known_ms.to_le_bytes()[..], &ends_ms.to_le_bytes(), &len.to_le_bytes(), envelope].concat();
    let mut check = [0; 8];
    blake3::Hasher::new_derive_key("juxta cache record 1").update(&body).finalize_xof().fill(&mut check);
    [&b"JxA1"[..], &check, &body].concat()
}

#[tokio::test]
async fn a_damaged_foreign_or_half_written_file_costs_only_what_is_damaged() {
    let (keypair, home) = (Keypair::generate_ed25519(), tempfile::tempdir().unwrap());
    filled(&keypair, home.path()).await;
    let whole = fs::read(home.path().join(FILE)).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    let half = whole[..whole.len() / 2].to_vec();
    let foreign = vec![0x7f; 10_000];
    // Somebody's envelope with a broken signature in a record that is whole.
    let mut forged = [&whole[..], &record(0, u64::MAX, b"no envelope")].concat();
    forged.extend_from_slice(b"JxA1 and no more");
    for (what, bytes, least) in
        [("damaged", damaged, 1), ("half", half, 0), ("foreign", foreign, 0), ("forged", forged, 2)]
    {
        let dir = home.path().join(what);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(FILE), bytes).unwrap();
        // A write that was cut short before leaves its beginning beside.
        fs::write(dir.join("advertisements.new"), b"JxA1").unwrap();
        let again = remembering(&keypair, &dir, None).await;
        let names = known(&again).await;
        assert!(
            names.len() >= least && names.iter().all(|name| name == "found" || name == "own"),
            "{what}: {names:?}"
        );
        assert!(meter(&again, "cache_records_skipped") > 0, "{what}");
        publish(&again, "new", minute()).await;
        again.shutdown().await;
        assert!(known(&remembering(&keypair, &dir, None).await).await.contains(&"new".to_owned()), "{what}");
    }
}

#[tokio::test]
async fn what_is_dropped_without_a_word_is_on_the_disk_all_the_same() {
    let (keypair, home) = (Keypair::generate_ed25519(), tempfile::tempdir().unwrap());
    let bert = remembering(&keypair, home.path(), None).await;
    publish(&bert, "own", minute()).await;
    drop(bert);
    becomes("nothing is saved", || {
        fs::read(home.path().join(FILE)).is_ok_and(|bytes| bytes.windows(3).any(|part| part == b"own"))
    })
    .await;
    assert_eq!(known(&remembering(&keypair, home.path(), None).await).await, ["own"]);
}

#[tokio::test]
async fn a_directory_that_is_none_is_said_at_once() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "x").unwrap();
    let refused = Peer::builder().cache_dir(&file).spawn().await;
    assert!(matches!(refused, Err(SpawnError::CacheDir { path, .. }) if path == file));
}
