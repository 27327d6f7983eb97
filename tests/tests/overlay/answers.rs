//! Many answers to one question: in order, with an end or a reason, as fast as they are read; cancelled when nobody
//! reads any more; and questions to a whole group.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use overlay::{AnswerError, Genesis, GroupId, Peer, Query, QueryError, QueryOptions, RefuseReason, limits};

use crate::hostile::frame;
use crate::world::{PATIENCE, group, meter, meter_reaches, peer};

/// Two peers with a session.
async fn pair() -> (Peer, Peer) {
    let (anne, bert) = (peer().await, peer().await);
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    (anne, bert)
}

/// The next question to `peer`'s handler `name`, asked by many answers of `asker`.
fn ask_many(asker: &Peer, answerer: &Peer, body: &'static str) -> overlay::Answers {
    asker.query_stream(answerer.id(), &GroupId::net(), "oracle", body, PATIENCE)
}

async fn collect(answers: overlay::Answers) -> Vec<Result<Bytes, QueryError>> {
    tokio::time::timeout(PATIENCE, answers.collect()).await.unwrap()
}

async fn answer_in_kind(mut question: Query) {
    match question.body.as_ref() {
        b"three" => {
            for answer in ["one", "two"] {
                question.answer(answer).await.unwrap();
            }
            question.reply("three");
        }
        b"none" => question.finish(),
        b"then no" => {
            question.answer("one").await.unwrap();
            question.refuse(RefuseReason::Full);
        }
        b"then drop" => question.answer("one").await.unwrap(),
        b"huge" => {
            let huge = question.answer(vec![0; limits::SESSION_FRAME_BYTES_MAX]).await;
            assert!(matches!(huge, Err(AnswerError::TooLarge { .. })));
            question.finish();
        }
        _ => {
            question.answer("one").await.unwrap();
            let second = question.answer("two").await;
            assert_eq!(second, Err(AnswerError::Enough));
        }
    }
}

#[tokio::test]
async fn many_answers_come_in_order_and_end_cleanly_or_with_the_reason() {
    let (anne, bert) = pair().await;
    let questions = bert.register_handler("oracle").unwrap();
    let answering = tokio::spawn(questions.for_each(answer_in_kind));
    let one = || Ok(Bytes::from_static(b"one"));
    let all = [one(), Ok(Bytes::from_static(b"two")), Ok(Bytes::from_static(b"three"))];
    assert_eq!(collect(ask_many(&anne, &bert, "three")).await, all);
    assert_eq!(collect(ask_many(&anne, &bert, "none")).await, []);
    let refused = Err(QueryError::Refused(RefuseReason::Full));
    assert_eq!(collect(ask_many(&anne, &bert, "then no")).await, [one(), refused]);
    assert_eq!(collect(ask_many(&anne, &bert, "then drop")).await, [one(), Err(QueryError::Failed)]);
    assert_eq!(collect(ask_many(&anne, &bert, "huge")).await, []);
    // Who asks for one answer gets the first, and the handler learns that it is enough.
    let net = GroupId::net();
    let single = |body: &'static str| anne.query(bert.id(), &net, "oracle", body, PATIENCE);
    assert_eq!(single("single").await, one());
    assert_eq!(single("none").await, Err(QueryError::Failed));
    let nobody = anne.query_stream(bert.id(), &GroupId::net(), "nobody", "", PATIENCE);
    assert_eq!(collect(nobody).await, [Err(QueryError::NoHandler)]);
    answering.abort();
}

#[tokio::test]
async fn a_long_answer_waits_for_its_reader_and_delays_no_other_question() {
    let (anne, bert) = pair().await;
    let piece = Bytes::from(vec![7; 32 * 1024]);
    let pieces = 4 * limits::ANSWERS_WINDOW as usize / piece.len();
    let mut questions = bert.register_handler("oracle").unwrap();
    let (given, mut count) = tokio::sync::watch::channel(0);
    let answering = tokio::spawn({
        let piece = piece.clone();
        async move {
            let mut question = questions.recv().await.unwrap();
            for _ in 0..pieces {
                question.answer(piece.clone()).await.unwrap();
                given.send_modify(|given| *given += 1);
            }
            question.finish();
        }
    });
    let mut echoes = bert.register_handler("echo").unwrap();
    let echoing = tokio::spawn(async move {
        while let Some(question) = echoes.recv().await {
            let body = question.body.clone();
            question.reply(body);
        }
    });
    let mut answers = ask_many(&anne, &bert, "");
    assert_eq!(answers.next().await, Some(Ok(piece.clone())));
    let window = limits::ANSWERS_WINDOW as usize / (piece.len() + limits::ANSWER_OVERHEAD_BYTES as usize);
    count.wait_for(|given| *given >= window).await.unwrap();
    // The rest waits; the session does not.
    for _ in 0..100 {
        let echo = anne.query(bert.id(), &GroupId::net(), "echo", "e", PATIENCE).await;
        assert_eq!(echo.as_deref(), Ok(&b"e"[..]));
    }
    assert_eq!(*count.borrow(), window, "answers are given that nobody has room for");
    let rest = collect(answers).await;
    assert_eq!(rest.len(), pieces - 1);
    assert!(rest.into_iter().all(|answer| answer.as_ref() == Ok(&piece)));
    answering.await.unwrap();
    echoing.abort();
}

#[tokio::test]
async fn who_drops_a_question_tells_its_answerer_and_has_the_slot_back() {
    let (anne, bert) = pair().await;
    let mut questions = bert.register_handler("oracle").unwrap();
    let rounds = 2 * limits::SESSION_QUERIES_MAX;
    let mut kept = Vec::new();
    for round in 0..rounds {
        // Half of them want one answer, half many.
        let question = if round % 2 == 0 {
            let net = GroupId::net();
            let mut asking = Box::pin(anne.query(bert.id(), &net, "oracle", "", PATIENCE));
            tokio::select! {
                answer = &mut asking => panic!("answered: {answer:?}"),
                question = questions.recv() => question.unwrap(),
            }
        } else {
            let mut asking = ask_many(&anne, &bert, "");
            tokio::select! {
                answer = asking.next() => panic!("answered: {answer:?}"),
                question = questions.recv() => question.unwrap(),
            }
        };
        tokio::time::timeout(PATIENCE, question.cancelled()).await.expect("the answerer is not told");
        assert!(question.is_cancelled());
        // It is kept, and its slot is free all the same.
        kept.push(question);
    }
    meter_reaches(&bert, "queries_cancelled", rounds as u64).await;
    assert_eq!(meter(&bert, "queries_cancelled"), rounds as u64);
    assert_eq!(meter(&bert, "queries_busy"), 0);
    let mut last = kept.pop().unwrap();
    assert_eq!(last.answer("late").await, Err(AnswerError::Cancelled));
    last.reply("late");
    drop(kept);
    let answered = tokio::spawn(async move { questions.recv().await.unwrap().reply("yes") });
    let answer = anne.query(bert.id(), &GroupId::net(), "oracle", "", PATIENCE).await;
    assert_eq!(answer.as_deref(), Ok(&b"yes"[..]));
    assert_eq!(meter(&anne, "answers_unmatched"), 0);
    answered.await.unwrap();
}

#[tokio::test]
async fn the_deadline_travels_and_ends_the_question_at_both_ends() {
    let (anne, bert) = pair().await;
    let mut questions = bert.register_handler("oracle").unwrap();
    let answering = tokio::spawn(async move {
        while let Some(mut question) = questions.recv().await {
            let told = Duration::from_secs(question.body[0].into());
            let left = question.deadline().unwrap().saturating_duration_since(std::time::Instant::now());
            assert!(left <= told, "{left:?} left of {told:?}");
            let given = question.answer("one").await;
            question.cancelled().await;
            assert_eq!(question.answer("two").await, Err(AnswerError::Cancelled));
            if given.is_ok() {
                return;
            }
        }
    });
    // A machine that stands still lets a deadline pass before the first answer; the next is longer.
    let mut answered = false;
    for seconds in [1, 4, 16, 64u8] {
        let deadline = Duration::from_secs(seconds.into());
        let mut answers = anne.query_stream(bert.id(), &GroupId::net(), "oracle", vec![seconds], deadline);
        let mut came = answers.next().await;
        answered = came == Some(Ok(Bytes::from_static(b"one")));
        if answered {
            came = answers.next().await;
        }
        assert_eq!(came, Some(Err(QueryError::TimedOut { after: deadline })));
        assert_eq!(answers.next().await, None);
        if answered {
            break;
        }
    }
    assert!(answered, "no answer comes before its deadline");
    tokio::time::timeout(PATIENCE, answering).await.unwrap().unwrap();
}

#[tokio::test]
async fn answers_end_when_the_other_peer_does() {
    let (anne, bert) = pair().await;
    let mut questions = bert.register_handler("oracle").unwrap();
    let mut answers = ask_many(&anne, &bert, "");
    let answering = tokio::spawn(async move {
        let mut question = questions.recv().await.unwrap();
        question.answer("one").await.unwrap();
        question
    });
    assert_eq!(answers.next().await, Some(Ok(Bytes::from_static(b"one"))));
    let question = answering.await.unwrap();
    bert.shutdown().await;
    assert_eq!(answers.next().await, Some(Err(QueryError::Closed)));
    tokio::time::timeout(PATIENCE, question.cancelled()).await.unwrap();
}

/// A hostile answerer: it reads one question of the victim's and answers with more than there is room for.
#[tokio::test]
async fn an_answerer_that_floods_is_cut_with_a_reason_and_counted() {
    let victim = peer().await;
    let enemy = tests::Bare::spawn(false).await;
    let mut sessions = enemy.accept("/juxta/session/1");
    let (id, address) = (enemy.id, enemy.address.clone());
    let mut answers = victim.query_stream(id, &GroupId::net(), "oracle", "", PATIENCE);
    victim.add_address(id, address).await;
    let flooding = tokio::spawn(async move {
        let (_, mut session) = sessions.next().await.unwrap();
        session.write_all(&frame(&[1, 1, 0, 0])).await.unwrap();
        let mut seen = vec![0; 1 << 16];
        // Its greeting, its ping, and the question, whose number is 0.
        let mut read = 0;
        while !seen[..read].windows(6).any(|bytes| bytes == b"oracle") {
            read += session.read(&mut seen[read..]).await.unwrap();
        }
        let part = frame(&[&[1, 7, 0, 0, 251, 0, 16][..], &[7; 4096], &[0]].concat());
        for _ in 0..100 {
            session.write_all(&part).await.unwrap();
        }
        session.flush().await.unwrap();
        // It is told to stop.
        let cancel = frame(&[1, 8, 0, 0, 0]);
        let mut told = Vec::new();
        while !told.windows(cancel.len()).any(|bytes| bytes == cancel) {
            let read = session.read(&mut seen).await.unwrap();
            assert!(read > 0, "the session ended");
            told.extend_from_slice(&seen[..read]);
        }
        session
    });
    // The first answer brings the session up; nothing is read until the flood is over.
    let first = answers.next().await;
    assert!(matches!(first, Some(Ok(_))), "{first:?}");
    meter_reaches(&victim, "answers_overrun", 1).await;
    let rest: Vec<_> = collect(answers).await;
    assert_eq!(rest.last(), Some(&Err(QueryError::Overrun)));
    assert!(rest.len() * 4096 <= limits::ANSWERS_WINDOW as usize);
    let _session = tokio::time::timeout(PATIENCE, flooding).await.unwrap().unwrap();
}

async fn serving(peer: &Peer, genesis: &Genesis, answer: &'static str) -> tokio::task::JoinHandle<()> {
    let mut served = peer.join(genesis).serve("oracle").await.unwrap();
    tokio::spawn(async move {
        while let Some(question) = served.recv().await {
            question.reply(answer);
        }
    })
}

#[tokio::test]
async fn a_question_to_a_group_gets_each_members_outcome_and_ends() {
    let asker = peer().await;
    let genesis = Genesis::open("tests");
    let asking = group(&asker);
    let mut names = HashMap::new();
    let mut members = Vec::new();
    let mut tasks = Vec::new();
    for name in ["anne", "bert", "cleo"] {
        let member = peer().await;
        asker.dial(member.id(), member.addresses(), PATIENCE).await.unwrap();
        tasks.push(serving(&member, &genesis, name).await);
        names.insert(member.id(), name);
        members.push(member);
    }
    // One has no handler, one is not in the group, one never answers.
    let (bare, stranger, mute) = (peer().await, peer().await, peer().await);
    for other in [&bare, &stranger, &mute] {
        asker.dial(other.id(), other.addresses(), PATIENCE).await.unwrap();
    }
    let (_bare, _mute) = (group(&bare), group(&mute).serve("oracle").await.unwrap());
    // All but one say what they make of it, however long that takes.
    let mut asked = asking.query("oracle", "?", QueryOptions::new(PATIENCE));
    let mut outcomes = HashMap::new();
    while outcomes.len() < 5 {
        let (from, outcome) = asked.next().await.unwrap();
        assert!(outcomes.insert(from, outcome).is_none(), "asked twice");
    }
    for (id, name) in &names {
        assert_eq!(outcomes[id].as_deref(), Ok(name.as_bytes()));
    }
    assert_eq!(outcomes[&bare.id()], Err(QueryError::NoHandler));
    assert_eq!(outcomes[&stranger.id()], Err(QueryError::Refused(RefuseReason::NotMember)));
    assert!(futures::poll!(std::pin::pin!(asked.next())).is_pending(), "the mute one has answered");
    drop(asked);
    // Whoever does not answer by the deadline has an outcome, too.
    let deadline = Duration::from_secs(1);
    let outcomes: HashMap<_, _> = asking.query("oracle", "?", QueryOptions::new(deadline)).collect().await;
    assert_eq!(outcomes.len(), 6);
    assert_eq!(outcomes[&mute.id()], Err(QueryError::TimedOut { after: deadline }));
    // With enough answers it ends at once, and whoever is still asked is told.
    let two: Vec<_> = asking.query("oracle", "?", QueryOptions::new(PATIENCE).wanted(2)).collect().await;
    assert_eq!(two.iter().filter(|(_, outcome)| outcome.is_ok()).count(), 2);
    let few: Vec<_> = asking.query("oracle", "?", QueryOptions::new(deadline).peers(4)).collect().await;
    assert_eq!(few.len(), 4);
    let none: Vec<_> = asking.query("oracle", "?", QueryOptions::new(PATIENCE).wanted(0)).collect().await;
    assert!(none.is_empty());
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_question_to_one_group_does_not_reach_the_handler_of_another() {
    let (anne, bert) = pair().await;
    let (red, blue) = (Genesis::open("red"), Genesis::open("blue"));
    let tasks = [serving(&bert, &red, "red").await, serving(&bert, &blue, "blue").await];
    for (genesis, name) in [(&red, "red"), (&blue, "blue")] {
        let answer = anne.query(bert.id(), &genesis.id(), "oracle", "", PATIENCE).await;
        assert_eq!(answer.as_deref(), Ok(name.as_bytes()));
    }
    assert!(bert.join(&red).serve("oracle").await.is_err(), "a name is taken twice");
    let net = anne.query(bert.id(), &GroupId::net(), "oracle", "", PATIENCE).await;
    assert_eq!(net, Err(QueryError::NoHandler));
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}
