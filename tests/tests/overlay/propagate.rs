//! Propagate pipes: each member gets what each other sends, once, in order, whatever becomes of some of them.

use std::collections::HashMap;

use bytes::Bytes;
use overlay::{Limits, Message, Peer, PeerId, PropagatePipe, Propagated, limits};
use tests::scaled;

use crate::world::{PATIENCE, becomes, group, meter, peer, pipe};

/// Peers that bind the pipe, each having dialed the first alone.
pub(crate) async fn crowd(count: usize, name: &str) -> Vec<(Peer, PropagatePipe)> {
    crowd_of(count, name, limits::PROPAGATE_DIRECT_MAX).await
}

/// The same, each sending to at most so many itself.
pub(crate) async fn crowd_of(count: usize, name: &str, direct: usize) -> Vec<(Peer, PropagatePipe)> {
    let mut crowd: Vec<(Peer, PropagatePipe)> = Vec::new();
    for _ in 0..count {
        let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        // All come from one address.
        let connects = limits::Quota { per_second: 10_000, burst: 10_000 };
        let limits = Limits::default().propagate_direct(direct).connects(connects);
        let peer = Peer::builder().listen(listen).limits(limits).spawn().await.unwrap();
        if let Some((first, _)) = crowd.first() {
            peer.dial(first.id(), first.addresses(), PATIENCE).await.unwrap();
        }
        let pipe = group(&peer).propagate_pipe(pipe(name)).unwrap();
        crowd.push((peer, pipe));
    }
    all_linked(&crowd).await;
    crowd
}

/// Waits until each has a link to each other that it should have one to.
pub(crate) async fn all_linked(crowd: &[(Peer, PropagatePipe)]) {
    for (peer, pipe) in crowd {
        let linked = tokio::time::timeout(PATIENCE, pipe.wait_members(crowd.len() - 1)).await;
        let known = pipe.members().len();
        linked.unwrap_or_else(|_| panic!("{} knows {known} members of {}", peer.id(), crowd.len() - 1));
    }
}

/// The next message; being behind is no loss.
pub(crate) async fn next(pipe: &mut PropagatePipe) -> Message {
    loop {
        match tokio::time::timeout(PATIENCE, pipe.recv()).await.expect("nothing comes") {
            Some(Propagated::Message(message)) => return message,
            Some(Propagated::Lagging { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn numbered(number: u32, len: usize) -> Bytes {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(len.max(4), 7);
    body.into()
}

fn number(message: &Message) -> u32 {
    u32::from_le_bytes(message.body[..4].try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_member_gets_what_each_other_sends_once_and_in_order() {
    // Most of the time goes into the links of each with each.
    let (members, count) = (scaled(160).clamp(8, 32) as usize, scaled(400));
    let crowd = crowd(members, "all to all").await;
    let tasks = crowd.into_iter().map(|(peer, pipe)| {
        tokio::spawn(async move {
            let (mut sender, mut receiver) = pipe.split();
            let sending = tokio::spawn(async move {
                for number in 0..count {
                    sender.feed(numbered(number, 100)).await.unwrap();
                }
                sender.flush().await.unwrap();
                sender
            });
            let mut next: HashMap<PeerId, u32> = HashMap::new();
            while next.values().sum::<u32>() < count * (members as u32 - 1) {
                let came = tokio::time::timeout(PATIENCE, receiver.recv()).await.expect("nothing comes");
                if let Some(Propagated::Message(message)) = &came {
                    let expected = next.entry(message.from).or_default();
                    assert_eq!(number(message), *expected);
                    *expected += 1;
                } else {
                    assert!(matches!(came, Some(Propagated::Lagging { .. })), "{came:?}");
                }
            }
            // Who has everything stays until all have.
            (peer, sending.await.unwrap(), receiver)
        })
    });
    for ended in futures::future::join_all(tasks).await {
        let (peer, ..) = ended.unwrap();
        assert_eq!((meter(&peer, "propagate_missed"), meter(&peer, "task_panics")), (0, 0));
    }
}

#[tokio::test]
async fn messages_of_all_sizes_arrive_whole_and_in_order() {
    let mut crowd = crowd(3, "sizes").await;
    let max = limits::PROPAGATE_MESSAGE_BYTES_MAX;
    let sizes = [0, 1, 61_440, 61_441, 200_000, max, 5];
    let mut sender = crowd.remove(0).1;
    let sending = tokio::spawn(async move {
        for (number, size) in sizes.into_iter().enumerate() {
            sender.feed(vec![number as u8; size]).await.unwrap();
        }
        sender.flush().await.unwrap();
        let too_large = sender.send(vec![0; max + 1]).await;
        assert_eq!(too_large, Err(overlay::SendError::TooLarge { len: max + 1, max }));
        sender
    });
    // All read at once: one that waited for its turn would stall.
    let reads = crowd.iter_mut().map(async |(_, pipe)| {
        for (number, size) in sizes.into_iter().enumerate() {
            let body = next(pipe).await.body;
            // Compared as a whole: byte by byte takes so long that all who share this thread stall.
            assert!(body == vec![number as u8; size], "{size} bytes came as {}", body.len());
        }
    });
    futures::future::join_all(reads).await;
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn who_comes_late_gets_what_is_sent_from_then_on() {
    let mut crowd = crowd(2, "late").await;
    crowd[0].1.send(numbered(0, 4)).await.unwrap();
    assert_eq!(number(&next(&mut crowd[1].1).await), 0);
    let late = peer().await;
    let (first, addresses) = (crowd[0].0.id(), crowd[0].0.addresses());
    late.dial(first, addresses, PATIENCE).await.unwrap();
    let bound = group(&late).propagate_pipe(pipe("late")).unwrap();
    crowd.push((late, bound));
    all_linked(&crowd).await;
    crowd[0].1.send(numbered(1, 4)).await.unwrap();
    crowd[1].1.send(numbered(2, 4)).await.unwrap();
    let mut came = [next(&mut crowd[2].1).await, next(&mut crowd[2].1).await].map(|message| number(&message));
    came.sort_unstable();
    assert_eq!(came, [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stalls_is_told_how_far_it_is_behind_and_the_others_lose_nothing() {
    let mut crowd = crowd(4, "stalled").await;
    let (mut stalled, well, sender) = (crowd.remove(3), crowd.split_off(1), crowd.remove(0));
    let (len, (first, mut sender)) = (16 * 1024, sender);
    // Far more than is kept, and than what a member holds that doesn't read.
    let count = (4 * limits::PROPAGATE_HISTORY_BYTES / len) as u32;
    let (mut heard, mut reads) = (Vec::new(), Vec::new());
    for (peer, mut pipe) in well {
        let (tell, told) = tokio::sync::watch::channel(0);
        heard.push(told);
        reads.push(tokio::spawn(async move {
            for expected in 0..count {
                assert_eq!(number(&next(&mut pipe).await), expected);
                tell.send_replace(expected);
            }
            drop(peer);
        }));
    }
    for number in 0..count {
        // Nobody but the stalled one is as far behind as would make the sender wait for it.
        for heard in &mut heard {
            heard.wait_for(|heard| number < *heard + count / 8).await.unwrap();
        }
        sender.send(numbered(number, len)).await.unwrap();
    }
    futures::future::join_all(reads).await.into_iter().for_each(|read| read.unwrap());
    let (mut expected, mut behind, mut missed) = (0, 0, 0);
    while expected < count {
        let came = tokio::time::timeout(PATIENCE, stalled.1.recv()).await.expect("nothing comes").unwrap();
        match came {
            Propagated::Message(message) => {
                assert_eq!(number(&message), expected);
                expected += 1;
            }
            Propagated::Lagging { from, behind: told } => {
                assert_eq!(from, first.id());
                behind += told;
            }
            // What it missed is told at its place: nothing is lost without a word.
            Propagated::Missed { count, .. } => {
                missed += count;
                expected += count as u32;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(behind > 0, "the stalled one was not told");
    assert!(missed > 0 && missed == meter(&stalled.0, "propagate_missed"), "{missed}");
    assert!(meter(&first, "propagate_stalled") >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_stalls_and_one_leaves_and_comes_back_nobody_loses_what_is_within_the_window() {
    let mut crowd = crowd(4, "within").await;
    let (comer, mut pipe_of_comer) = crowd.pop().unwrap();
    let (stalled, mut pipe_of_stalled) = crowd.pop().unwrap();
    let (_well, mut pipe_of_well) = crowd.pop().unwrap();
    let (first, mut sender) = crowd.pop().unwrap();
    let len = 16 * 1024;
    // What waits for who doesn't read, and less than the window behind it.
    let bytes = limits::PROPAGATE_READY_BYTES + limits::PROPAGATE_HISTORY_BYTES - 1024 * 1024;
    let count = (bytes / len) as u32;
    for told in 0..count {
        if told == count / 4 {
            pipe_of_comer.close().await.unwrap();
            becomes("it is still a member", || !sender.members().contains(&comer.id())).await;
            pipe_of_comer = group(&comer).propagate_pipe(pipe("within")).unwrap();
        }
        if told == count / 2 {
            // Who comes back gets what is sent from when it is linked on.
            tokio::time::timeout(PATIENCE, sender.wait_members(3)).await.unwrap();
        }
        sender.send(numbered(told, len)).await.unwrap();
        assert_eq!(number(&next(&mut pipe_of_well).await), told);
    }
    let mut expected = number(&next(&mut pipe_of_comer).await);
    while expected + 1 < count {
        let came = number(&next(&mut pipe_of_comer).await);
        assert_eq!(came, expected + 1);
        expected = came;
    }
    // It is the time without reading that makes one stall.
    tokio::time::sleep(2 * limits::PROPAGATE_STALL).await;
    let (mut expected, mut behind) = (0, 0);
    while expected < count {
        let came = tokio::time::timeout(PATIENCE, pipe_of_stalled.recv()).await.expect("nothing comes");
        match came.unwrap() {
            Propagated::Message(message) => {
                assert_eq!(number(&message), expected);
                expected += 1;
            }
            Propagated::Lagging { from, behind: told } => {
                assert_eq!(from, first.id());
                behind += told;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(behind > 0, "the stalled one was not told");
    assert_eq!((meter(&stalled, "propagate_missed"), meter(&first, "propagate_stalled")), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_connection_breaks_again_and_again_loses_nothing_and_gets_nothing_twice() {
    let mut crowd = crowd(3, "breaks").await;
    let (count, len) = (2000, 2000);
    let (first, mut sender) = crowd.remove(0);
    let broken = crowd[0].0.id();
    let reads = crowd.into_iter().map(|(peer, mut pipe)| {
        tokio::spawn(async move {
            for expected in 0..count {
                assert_eq!(number(&next(&mut pipe).await), expected);
            }
            drop(peer);
        })
    });
    let reads: Vec<_> = reads.collect();
    for number in 0..count {
        if number % 500 == 100 {
            first.close(broken).await;
        }
        sender.send(numbered(number, len)).await.unwrap();
    }
    futures::future::join_all(reads).await.into_iter().for_each(|read| read.unwrap());
}

#[tokio::test]
async fn who_leaves_and_comes_back_gets_each_message_that_is_sent_while_it_is_there() {
    let mut crowd = crowd(3, "leaving").await;
    let (comer, mut pipe_of_comer) = crowd.remove(2);
    for round in 0..3u32 {
        crowd[0].1.send(numbered(round, 4)).await.unwrap();
        assert_eq!(number(&next(&mut crowd[1].1).await), round);
        let mut came = number(&next(&mut pipe_of_comer).await);
        if round > 0 && came == 99 {
            // A link that began to be opened before it came back brings what was sent since.
            came = number(&next(&mut pipe_of_comer).await);
        }
        assert_eq!(came, round);
        pipe_of_comer.close().await.unwrap();
        becomes("it is still a member", || {
            !crowd.iter().any(|(_, pipe)| pipe.members().contains(&comer.id()))
        })
        .await;
        crowd[0].1.send(numbered(99, 4)).await.unwrap();
        assert_eq!(number(&next(&mut crowd[1].1).await), 99);
        pipe_of_comer = group(&comer).propagate_pipe(pipe("leaving")).unwrap();
        for (_, pipe) in &crowd {
            tokio::time::timeout(PATIENCE, pipe.wait_members(2)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_pipe_is_propagated_in_its_group_alone_and_bound_once() {
    let crowd = crowd(2, "here").await;
    let again = group(&crowd[0].0).propagate_pipe(pipe("here"));
    assert_eq!(again.err(), Some(overlay::BindError::AlreadyBound));
    let elsewhere = crowd[0].0.join(&overlay::Genesis::open("elsewhere"));
    let other = elsewhere.propagate_pipe(pipe("here")).unwrap();
    assert_eq!(other.members(), []);
    drop(other);
    crowd[0].0.shutdown().await;
    let mut ended = crowd.into_iter().next().unwrap().1;
    assert_eq!(tokio::time::timeout(PATIENCE, ended.recv()).await.unwrap(), None);
    assert!(ended.send("x").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_more_than_direct_members_send_is_passed_on_and_reaches_all_once_and_in_order() {
    let crowd = crowd_of(scaled(200).max(10) as usize, "tree", 4).await;
    let (count, senders) = (50, 4);
    let tasks = crowd.into_iter().enumerate().map(|(place, (peer, mut pipe))| {
        tokio::spawn(async move {
            if place < senders {
                for number in 0..count {
                    pipe.send(numbered(number, 1000)).await.unwrap();
                }
            }
            let owed = count * if place < senders { senders as u32 - 1 } else { senders as u32 };
            let mut came: HashMap<PeerId, u32> = HashMap::new();
            for _ in 0..owed {
                let message = next(&mut pipe).await;
                let expected = came.entry(message.from).or_default();
                assert_eq!(number(&message), *expected);
                *expected += 1;
            }
            (peer, pipe)
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for ended in futures::future::join_all(tasks).await {
        let (peer, _pipe) = ended.unwrap();
        assert_eq!((meter(&peer, "propagate_missed"), meter(&peer, "propagate_forgeries")), (0, 0));
    }
}
