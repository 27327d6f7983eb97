//! What each group's pipes and queries carry is counted for it, each message once, at both ends.

use overlay::{Genesis, GroupMeters, Peer, PeerGroup, PipeId, Reach};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::propagate::{crowd_of, next};
use crate::reach::{behind, circuit, relay};
use crate::world::{PATIENCE, becomes, group, peer};

/// Messages and their bytes, in and out.
fn messages(meters: GroupMeters) -> [u64; 4] {
    [meters.messages_in, meters.bytes_in, meters.messages_out, meters.bytes_out]
}

fn queries(meters: GroupMeters) -> [u64; 4] {
    [meters.queries_in, meters.query_bytes_in, meters.queries_out, meters.query_bytes_out]
}

/// Both peers' views of the group with this label.
fn views(peers: [&Peer; 2], label: &str) -> ([PeerGroup; 2], PipeId) {
    let genesis = Genesis::open(label);
    (peers.map(|peer| peer.join(&genesis)), PipeId::derive(&genesis.id(), "metered"))
}

async fn linked() -> [Peer; 2] {
    let (anne, bert) = (peer().await, peer().await);
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    [anne, bert]
}

#[tokio::test]
async fn two_groups_between_the_same_peers_are_counted_apart_and_to_the_byte() {
    let [anne, bert] = linked().await;
    for (label, count, len) in [("red", 5u64, 100usize), ("blue", 2, 70_000)] {
        let ([near, far], pipe) = views([&anne, &bert], label);
        let mut listener = far.bind(pipe).unwrap();
        let first = Some(vec![1; 9].into());
        let (mut sender, accepted) =
            tokio::join!(near.connect_with(bert.id(), pipe, first, PATIENCE), listener.accept());
        let (sender, mut receiver) = (sender.as_mut().unwrap(), accepted.unwrap());
        assert_eq!(receiver.recv().await.unwrap().unwrap().len(), 9);
        for _ in 0..count {
            sender.send(vec![7; len]).await.unwrap();
            assert_eq!(receiver.recv().await.unwrap().unwrap().len(), len);
        }
        receiver.send("thanks").await.unwrap();
        sender.recv().await.unwrap().unwrap();
        let carried = 9 + count * len as u64;
        assert_eq!(messages(near.meters()), [1, 6, count + 1, carried], "{label}");
        assert_eq!(messages(far.meters()), [count + 1, carried, 1, 6], "{label}");
        assert_eq!(queries(near.meters()), [0; 4], "{label}");
    }
    assert_eq!(messages(anne.net_group().meters()), [0; 4]);
    assert_eq!(anne.groups().len(), 3);
}

#[tokio::test]
async fn through_a_relay_both_ends_count_the_same_bytes_and_those_of_the_open_too() {
    let (_relay, address) = relay(Reach::default()).await;
    let (anne, bert) = (Peer::builder().spawn().await.unwrap(), behind(&address, None).await);
    anne.dial(bert.id(), vec![circuit(&bert).await], PATIENCE).await.unwrap();
    let ([near, far], pipe) = views([&anne, &bert], "relayed");
    let mut listener = far.bind(pipe).unwrap();
    let first = Some(vec![1; 90].into());
    let (sender, accepted) =
        tokio::join!(near.connect_with(bert.id(), pipe, first, PATIENCE), listener.accept());
    let (mut sender, mut receiver) = (sender.unwrap(), accepted.unwrap());
    sender.send(vec![2; 30]).await.unwrap();
    receiver.recv().await.unwrap().unwrap();
    receiver.recv().await.unwrap().unwrap();
    let (near, far) = (near.meters(), far.meters());
    assert_eq!((messages(near), near.bytes_relayed_out), ([0, 0, 2, 120], 120));
    assert_eq!((messages(far), far.bytes_relayed_in), ([2, 120, 0, 0], 120));
}

#[tokio::test]
async fn unicast_stream_and_resumable_pipes_count_what_the_application_says() {
    let [anne, bert] = linked().await;
    let ([near, far], pipe) = views([&anne, &bert], "unicast");
    let mut input = far.bind_unicast(pipe).unwrap();
    let mut output = near.connect_unicast(bert.id(), pipe).await.unwrap();
    output.send(vec![1; 30]).await.unwrap();
    input.recv().await.unwrap();
    assert_eq!((messages(near.meters()), messages(far.meters())), ([0, 0, 1, 30], [1, 30, 0, 0]));

    let ([near, far], pipe) = views([&anne, &bert], "stream");
    let mut listener = far.bind_stream(pipe).unwrap();
    let mut stream = near.connect_stream(bert.id(), pipe).await.unwrap();
    stream.write_all(&[1; 100_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut read = Vec::new();
    listener.accept().await.unwrap().read_to_end(&mut read).await.unwrap();
    assert_eq!((messages(near.meters()), messages(far.meters())), ([0, 0, 0, 100_000], [0, 100_000, 0, 0]));

    let ([near, far], pipe) = views([&anne, &bert], "resumable");
    let mut listener = far.bind_resumable(pipe).unwrap();
    let mut sender = near.connect_resumable(bert.id(), pipe, PATIENCE).await.unwrap();
    let mut receiver = listener.accept().await.unwrap();
    for _ in 0..3 {
        sender.send(vec![1; 1000]).await.unwrap();
        receiver.recv().await.unwrap().unwrap();
        // What waits is sent again over the next connection, and still counts once.
        anne.close(bert.id()).await;
        sender.send(vec![1; 11]).await.unwrap();
        receiver.recv().await.unwrap().unwrap();
    }
    assert_eq!((messages(near.meters()), messages(far.meters())), ([0, 0, 6, 3033], [6, 3033, 0, 0]));
}

#[tokio::test]
async fn questions_and_answers_count_for_their_group_at_both_ends() {
    let [anne, bert] = linked().await;
    let ([near, far], _) = views([&anne, &bert], "oracle");
    let mut questions = bert.register_handler("oracle").unwrap();
    let answering = tokio::spawn(async move {
        while let Some(mut question) = questions.recv().await {
            if question.takes_many() {
                question.answer(vec![1; 10]).await.unwrap();
            }
            question.reply(vec![1; 40]);
        }
    });
    anne.query(bert.id(), &near.id(), "oracle", vec![1; 6], PATIENCE).await.unwrap();
    assert_eq!(queries(near.meters()), [0, 40, 1, 6]);
    assert_eq!(queries(far.meters()), [1, 6, 0, 40]);
    let mut answers = anne.query_stream(bert.id(), &near.id(), "oracle", vec![1; 4], PATIENCE);
    while let Some(answer) = answers.next().await {
        answer.unwrap();
    }
    assert_eq!(queries(near.meters()), [0, 90, 2, 10]);
    assert_eq!(queries(far.meters()), [2, 10, 0, 90]);
    // Who is not in a group is refused, and makes no place for it.
    let foreign = Genesis::open("not joined there").id();
    anne.query(bert.id(), &foreign, "oracle", "?", PATIENCE).await.unwrap_err();
    assert_eq!(bert.group_meters(&foreign), GroupMeters::default());
    answering.abort();
}

#[tokio::test]
async fn all_views_of_a_group_show_the_same_meters_and_since_when_they_count() {
    let [anne, bert] = linked().await;
    let ([near, far], pipe) = views([&anne, &bert], "views");
    let mut listener = far.bind(pipe).unwrap();
    assert_eq!((near.meters().since_ms, anne.net_group().meters().since_ms > 0), (0, true));
    let mut sender = near.connect(bert.id(), pipe).await.unwrap();
    sender.send("one").await.unwrap();
    listener.accept().await.unwrap().recv().await.unwrap();
    let meters = near.meters();
    assert_eq!(messages(meters), [0, 0, 1, 3]);
    assert!(meters.since_ms >= anne.net_group().meters().since_ms && anne.groups().contains(&near.id()));
    assert_eq!(
        (anne.join(&Genesis::open("views")).meters(), anne.group_meters(&near.id())),
        (meters, meters)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_many_counts_once_and_what_is_passed_on_for_others_apart() {
    let mut crowd = crowd_of(10, "metered", 4).await;
    let (sender, rest) = crowd.split_first_mut().unwrap();
    sender.1.send(vec![1; 500]).await.unwrap();
    for (member, propagate) in rest.iter_mut() {
        next(propagate).await;
        assert_eq!(messages(group(member).meters()), [1, 500, 0, 0]);
    }
    // Parcels are counted before they are on their way, so those that brought it to all are there by now; the bytes of
    // one that is passed on this moment may not be yet.
    let mut forwarded = 0;
    for (member, _) in rest.iter() {
        forwarded += group(member).meters().parcels_forwarded;
        let consistent = || {
            let meters = group(member).meters();
            meters.bytes_forwarded >= 500 * meters.parcels_forwarded
        };
        becomes("less is passed on than there are parcels", consistent).await;
    }
    let own = group(&sender.0).meters();
    assert_eq!((messages(own), own.parcels_forwarded), ([0, 0, 1, 500], 0));
    assert!(forwarded > 0, "the sender is not linked with all");
}
