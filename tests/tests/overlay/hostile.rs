//! A real hostile peer on each of our protocols: refused, counted, and its victim goes on.

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Multiaddr;
use libp2p::swarm::Stream;
use overlay::{GroupId, Peer};
use tests::{Bare, scaled};

use crate::world::{PATIENCE, becomes, connect, meter, meter_reaches, peer};

const SESSION: &str = "/juxta/session/1";
const PIPE: &str = "/juxta/pipe/1";

/// A hostile peer connected to the victim, which dialed it: so it can answer and open what it likes.
pub(crate) async fn enemy_of(victim: &Peer) -> Bare {
    let enemy = Bare::spawn(false).await;
    let mut sessions = enemy.accept(SESSION);
    let (id, address) = (enemy.id, enemy.address.clone());
    let dialing = {
        let victim = victim.clone();
        tokio::spawn(async move { victim.dial(id, vec![address], PATIENCE).await })
    };
    // It takes the session, greets, and keeps it open.
    let (_, mut session) = futures::StreamExt::next(&mut sessions).await.unwrap();
    session.write_all(&frame(&[1, 1, 0, 0])).await.unwrap();
    session.flush().await.unwrap();
    dialing.await.unwrap().unwrap();
    tokio::spawn(async move {
        let mut bytes = Vec::new();
        let _ = session.read_to_end(&mut bytes).await;
    });
    enemy
}

/// `bytes` behind their length.
pub(crate) fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut buffer = unsigned_varint::encode::usize_buffer();
    [unsigned_varint::encode::usize(bytes.len(), &mut buffer), bytes].concat()
}

/// Sends `bytes` on a new substream and reads what comes until the victim ends it.
async fn shout(enemy: &Bare, victim: &Peer, protocol: &'static str, bytes: &[u8]) {
    let mut stream: Stream = enemy.open(victim.id(), protocol).await;
    // The victim may end the stream while it is being written.
    let _ = stream.write_all(bytes).await;
    let _ = stream.close().await;
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, ended).await.expect("the victim keeps the garbage's stream open");
}

/// Two honest peers still talk.
async fn still_talk(victim: &Peer, friend: &Peer, name: &str) {
    let (mut near, mut far) = connect(friend, victim, name).await;
    near.send("still here").await.unwrap();
    assert_eq!(far.recv().await.unwrap(), Some(Bytes::from_static(b"still here")));
}

fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a length of 2^63", vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ("a length that never ends", vec![0xff; 64]),
        ("one byte more than a frame may have", frame(&vec![0; 64 * 1024 + 1])),
        ("an unknown version", frame(&[9, 1, 0, 0])),
        ("trailing bytes", frame(&[1, 1, 0, 0, 0, 0])),
        ("no bytes at all", frame(&[])),
        ("a frame that is cut", frame(&[1; 40])[..20].to_vec()),
        ("noise", frame(&(0..200u8).map(|i| i.wrapping_mul(151)).collect::<Vec<_>>())),
        ("a vector of 2^60 elements", frame(&[1, 1, 0, 253, 0, 0, 0, 0, 0, 0, 0, 16])),
    ]
}

#[tokio::test]
async fn garbage_instead_of_a_greeting_is_counted_and_its_connection_closed() {
    let (victim, friend) = (peer().await, peer().await);
    for (expected, (what, bytes)) in garbage().into_iter().enumerate() {
        let enemy = enemy_of(&victim).await;
        shout(&enemy, &victim, SESSION, &bytes).await;
        let counted = expected as u64 + 1;
        meter_reaches(&victim, "session_garbage", counted).await;
        assert_eq!(meter(&victim, "session_garbage"), counted, "{what}");
    }
    still_talk(&victim, &friend, "after greetings").await;
    assert_eq!(meter(&victim, "task_panics"), 0);
}

#[tokio::test]
async fn garbage_after_a_greeting_is_counted_and_ends_the_session() {
    let (victim, friend) = (peer().await, peer().await);
    for (expected, (_, bytes)) in garbage().into_iter().enumerate() {
        let enemy = enemy_of(&victim).await;
        let bytes = [frame(&[1, 1, 0, 0]), bytes].concat();
        shout(&enemy, &victim, SESSION, &bytes).await;
        meter_reaches(&victim, "session_garbage", expected as u64 + 1).await;
    }
    still_talk(&victim, &friend, "after frames").await;
    assert_eq!(meter(&victim, "task_panics"), 0);
}

#[tokio::test]
async fn garbage_instead_of_a_pipe_header_is_counted_and_refused() {
    let (victim, friend) = (peer().await, peer().await);
    let enemy = enemy_of(&victim).await;
    for (expected, (_, bytes)) in garbage().into_iter().enumerate() {
        shout(&enemy, &victim, PIPE, &bytes).await;
        meter_reaches(&victim, "pipe_garbage", expected as u64 + 1).await;
    }
    still_talk(&victim, &friend, "after headers").await;
    assert_eq!(meter(&victim, "task_panics"), 0);
}

#[tokio::test]
async fn answers_to_questions_that_nobody_asked_change_nothing() {
    let (victim, friend) = (peer().await, peer().await);
    let enemy = enemy_of(&victim).await;
    let forged = frame(&[1, 3, 0, 0, 0, 0, 4, b'f', b'a', b'k', b'e', 0]);
    let bytes = [frame(&[1, 1, 0, 0]), forged.repeat(50)].concat();
    shout(&enemy, &victim, SESSION, &bytes).await;
    meter_reaches(&victim, "answers_unmatched", 50).await;
    still_talk(&victim, &friend, "after forged answers").await;
}

#[tokio::test]
async fn an_answer_counts_only_from_whom_was_asked() {
    let (victim, friend) = (peer().await, peer().await);
    let mut asked = friend.register_handler("slow").unwrap();
    victim.dial(friend.id(), friend.addresses(), PATIENCE).await.unwrap();
    let (to, asker) = (friend.id(), victim.clone());
    let asking =
        tokio::spawn(async move { asker.query(to, &GroupId::net(), "slow", "true?", PATIENCE).await });
    let question = asked.recv().await.unwrap();
    // The enemy guesses the number of the question, on its own session.
    let enemy = enemy_of(&victim).await;
    let guesses = (0..50u8).map(|number| frame(&[1, 3, 0, number, 0, 0, 4, b'f', b'a', b'k', b'e', 0]));
    let bytes = [vec![frame(&[1, 1, 0, 0])], guesses.collect()].concat().concat();
    shout(&enemy, &victim, SESSION, &bytes).await;
    meter_reaches(&victim, "answers_unmatched", 50).await;
    question.reply("true");
    assert_eq!(asking.await.unwrap().unwrap(), "true");
}

#[tokio::test]
async fn pongs_to_pings_that_nobody_sent_measure_nothing() {
    let (victim, friend) = (peer().await, peer().await);
    let enemy = enemy_of(&victim).await;
    let bytes = [frame(&[1, 1, 0, 0]), frame(&[1, 5, 0, 7, 0]).repeat(50)].concat();
    shout(&enemy, &victim, SESSION, &bytes).await;
    meter_reaches(&victim, "pongs_unmatched", 50).await;
    assert_eq!(victim.round_trip(enemy.id), None);
    still_talk(&victim, &friend, "after forged pongs").await;
}

#[tokio::test]
async fn who_floods_with_pings_is_banned_and_comes_back_in_vain() {
    let (victim, friend) = (peer().await, peer().await);
    friend.dial(victim.id(), victim.addresses(), PATIENCE).await.unwrap();
    let enemy = enemy_of(&victim).await;
    let mut stream = enemy.open(victim.id(), SESSION).await;
    stream.write_all(&frame(&[1, 1, 0, 0])).await.unwrap();
    let flooding = tokio::spawn(async move {
        let pings = frame(&[1, 4, 0, 7, 0]).repeat(10_000);
        while stream.write_all(&pings).await.is_ok() {}
    });
    meter_reaches(&victim, "peers_banned", 1).await;
    // The victim ends it.
    tokio::time::timeout(PATIENCE, flooding).await.unwrap().unwrap();
    enemy.try_dial(&victim.addresses()[0]).await;
    assert!(enemy.try_open(victim.id(), SESSION).await.is_none(), "the banned peer is let in");
    still_talk(&victim, &friend, "beside a flood of pings").await;
}

#[tokio::test]
async fn a_flood_of_questions_is_answered_busy_or_ends_the_session_and_others_are_served() {
    let (victim, friend) = (peer().await, peer().await);
    let mut questions = victim.register_handler("oracle").unwrap();
    let enemy = enemy_of(&victim).await;
    let mut question = vec![1, 2, 0, 7];
    question.extend(GroupId::net().as_bytes());
    question.extend([6, b'o', b'r', b'a', b'c', b'l', b'e', 0, 0]);
    // It asks and never reads an answer.
    let mut stream = enemy.open(victim.id(), SESSION).await;
    stream.write_all(&frame(&[1, 1, 0, 0])).await.unwrap();
    let flood = frame(&question).repeat(scaled(200_000) as usize);
    let flooding = tokio::spawn(async move {
        // The victim ends the session in the middle of it.
        let _ = stream.write_all(&flood).await;
        let _ = stream.flush().await;
        stream
    });
    becomes("a flood of questions is taken without bound", || {
        meter(&victim, "queries_busy") + meter(&victim, "answers_undeliverable") > 0
    })
    .await;
    flooding.abort();
    // What the enemy asked before it was stopped is still queued, bounded; the friend is served behind it.
    let serving = tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            question.reply("served");
        }
    });
    friend.dial(victim.id(), victim.addresses(), PATIENCE).await.unwrap();
    let served = friend.query(victim.id(), &GroupId::net(), "oracle", "", PATIENCE).await;
    assert_eq!(served.as_deref(), Ok(&b"served"[..]));
    serving.abort();
}

#[tokio::test]
async fn a_peer_that_opens_pipes_and_says_nothing_takes_no_place_from_others() {
    let (victim, friend) = (peer().await, peer().await);
    let enemy = enemy_of(&victim).await;
    let mut silent = Vec::new();
    for _ in 0..scaled(400) {
        silent.push(enemy.open(victim.id(), PIPE).await);
    }
    still_talk(&victim, &friend, "beside silence").await;
}

#[tokio::test]
async fn somebody_else_at_a_known_address_is_not_taken_for_the_peer() {
    let (anne, bert, mallory) = (peer().await, peer().await, peer().await);
    let lie: Vec<Multiaddr> = mallory
        .addresses()
        .into_iter()
        .map(|mut address| {
            address.pop();
            address
        })
        .collect();
    let deceived = anne.dial(bert.id(), lie, PATIENCE).await;
    assert!(deceived.is_err(), "mallory passes for bert");
    assert_eq!(meter(&mallory, "sessions"), 0);
}
