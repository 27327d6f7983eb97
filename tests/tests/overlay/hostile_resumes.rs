//! Hostile openers of resumable pipes: what is another's, or can't be, is refused and counted.

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::swarm::Stream;
use overlay::{Peer, RecvError, limits};
use tests::Bare;

use crate::hostile::{enemy_of, frame};
use crate::world::{PATIENCE, group, meter, meter_reaches, peer, pipe};

const OK: u8 = 0;
const BUSY: u8 = 1;
const REFUSED: u8 = 2;
const NO_SUCH_PIPE: u8 = 3;

/// Begins a link of the pipe "lasting" as the bytes of the protocol say, and hears the answer.
async fn begin(enemy: &Bare, victim: &Peer, session: u8, fresh: bool, received: u8) -> (u8, Stream) {
    let group = group(victim).id();
    let header = [&[1][..], group.as_bytes(), pipe("lasting").as_bytes(), &[4, 0]].concat();
    let hello = [&[1][..], &[session; 16], &[fresh.into(), 100, received, 250, 0]].concat();
    let mut stream = enemy.open(victim.id(), "/juxta/pipe/1").await;
    stream.write_all(&[frame(&header), frame(&hello)].concat()).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = [0; 4];
    let answering = stream.read_exact(&mut answer);
    tokio::time::timeout(PATIENCE, answering).await.expect("an open is silent").unwrap();
    (answer[2], stream)
}

#[tokio::test]
async fn a_link_of_anothers_pipe_an_unknown_one_or_one_from_nowhere_is_refused() {
    let victim = peer().await;
    let (owner, thief) = (enemy_of(&victim).await, enemy_of(&victim).await);
    let mut listener = group(&victim).bind_resumable(pipe("lasting")).unwrap();
    let (made, _link) = begin(&owner, &victim, 7, true, 0).await;
    let mut accepted = listener.accept().await.unwrap();
    assert_eq!((made, accepted.remote()), (OK, owner.id));
    assert_eq!(begin(&thief, &victim, 7, false, 0).await.0, NO_SUCH_PIPE, "another's");
    assert_eq!(begin(&owner, &victim, 8, false, 0).await.0, NO_SUCH_PIPE, "unknown");
    assert_eq!(begin(&owner, &victim, 7, false, 1).await.0, REFUSED, "received what was not sent");
    assert_eq!(begin(&owner, &victim, 7, true, 0).await.0, BUSY, "the same name again");
    assert_eq!((meter(&victim, "resumes_refused"), meter(&victim, "pipes_busy")), (3, 1));
    // All that time the owner's own pipe was left in peace; its own new link takes over.
    let (resumed, mut link) = begin(&owner, &victim, 7, false, 0).await;
    assert_eq!(resumed, OK);
    link.write_all(&frame(b"\0hello")).await.unwrap();
    link.flush().await.unwrap();
    assert_eq!(accepted.recv().await.unwrap().as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn frames_that_break_the_rules_end_the_pipe_and_are_counted() {
    let victim = peer().await;
    let enemy = enemy_of(&victim).await;
    let mut listener = group(&victim).bind_resumable(pipe("lasting")).unwrap();
    let beyond_the_window = frame(&vec![0; limits::RESUMABLE_WINDOW as usize]);
    let breaches = [
        frame(&[]),
        frame(&[9]),
        frame(&[2, 1, 0]),
        frame(&[2]),
        [frame(&[1]), frame(&[0])].concat(),
        [beyond_the_window, frame(&[0])].concat(),
    ];
    for (number, breach) in breaches.into_iter().enumerate() {
        let (_, mut link) = begin(&enemy, &victim, number as u8, true, 0).await;
        let mut accepted = listener.accept().await.unwrap();
        // The victim may end the link while it is being written.
        let _ = link.write_all(&breach).await;
        let _ = link.flush().await;
        meter_reaches(&victim, "pipe_garbage", number as u64 + 1).await;
        let ended = async { while accepted.recv().await.is_ok_and(|message| message.is_some()) {} };
        tokio::time::timeout(PATIENCE, ended).await.expect("the application isn't told");
        assert!(accepted.send("x").await.is_err());
    }
    assert_eq!(meter(&victim, "task_panics"), 0);
}

#[tokio::test]
async fn one_peer_holds_a_bounded_number_of_pipes_and_gives_them_back() {
    let victim = peer().await;
    let enemy = enemy_of(&victim).await;
    let mut listener = group(&victim).bind_resumable(pipe("lasting")).unwrap();
    let mut held = Vec::new();
    for session in 0..limits::RESUMABLE_PER_PEER_MAX {
        let (made, link) = begin(&enemy, &victim, session as u8, true, 0).await;
        assert_eq!(made, OK);
        held.push((link, listener.accept().await.unwrap()));
    }
    assert_eq!(begin(&enemy, &victim, 255, true, 0).await.0, BUSY);
    let (link, mut accepted) = held.pop().unwrap();
    drop((link, held));
    // A farewell, with nothing missing or not, frees the place.
    let (resumed, mut link) =
        begin(&enemy, &victim, limits::RESUMABLE_PER_PEER_MAX as u8 - 1, false, 0).await;
    assert_eq!(resumed, OK);
    link.write_all(&frame(&[3])).await.unwrap();
    link.flush().await.unwrap();
    assert_eq!(accepted.recv().await, Err(RecvError::Reset));
    let again = async { while begin(&enemy, &victim, 254, true, 0).await.0 == BUSY {} };
    tokio::time::timeout(PATIENCE, again).await.expect("places are not given back");
}
