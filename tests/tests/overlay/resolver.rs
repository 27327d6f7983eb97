//! Every question ends in an answer or a reason.

use std::time::Duration;

use overlay::{GroupId, QueryError, RefuseReason, limits};

use crate::world::{PATIENCE, meter, meter_reaches, peer};

#[tokio::test]
async fn a_question_is_answered_refused_failed_or_times_out_and_each_is_told() {
    let (anne, bert) = (peer().await, peer().await);
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    let mut questions = bert.register_handler("oracle").unwrap();
    let answering = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Some(question) = questions.recv().await {
            match question.body.as_ref() {
                b"echo" => {
                    let body = question.body.clone();
                    question.reply(body);
                }
                b"no" => question.refuse(RefuseReason::Full),
                b"drop" => drop(question),
                b"huge" => question.reply(vec![0; limits::SESSION_FRAME_BYTES_MAX]),
                _ => kept.push(question),
            }
        }
    });
    let net = GroupId::net();
    let ask = |body: &'static str, deadline| anne.query(bert.id(), &net, "oracle", body, deadline);
    assert_eq!(ask("echo", PATIENCE).await.as_deref(), Ok(&b"echo"[..]));
    assert_eq!(ask("no", PATIENCE).await, Err(QueryError::Refused(RefuseReason::Full)));
    assert_eq!(ask("drop", PATIENCE).await, Err(QueryError::Failed));
    assert_eq!(ask("huge", PATIENCE).await, Err(QueryError::Failed));
    let short = Duration::from_millis(50);
    assert_eq!(ask("keep", short).await, Err(QueryError::TimedOut { after: short }));
    let nobody = anne.query(bert.id(), &net, "nobody", "", PATIENCE).await;
    assert_eq!(nobody, Err(QueryError::NoHandler));
    let large =
        anne.query(bert.id(), &net, "oracle", vec![0; limits::SESSION_FRAME_BYTES_MAX], PATIENCE).await;
    assert!(matches!(large, Err(QueryError::TooLarge { .. })));
    let foreign = overlay::Genesis::open("not joined there").id();
    let foreign = anne.query(bert.id(), &foreign, "oracle", "echo", PATIENCE).await;
    assert_eq!(foreign, Err(QueryError::Refused(RefuseReason::NotMember)));
    answering.abort();
}

#[tokio::test]
async fn a_handler_that_does_not_answer_makes_the_others_busy_not_silent() {
    let (anne, bert) = (peer().await, peer().await);
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    let _never_read = bert.register_handler("stuck").unwrap();
    let mut asked = Vec::new();
    for _ in 0..limits::SESSION_QUERIES_MAX {
        let (anne, to) = (anne.clone(), bert.id());
        let net = GroupId::net();
        asked.push(tokio::spawn(async move { anne.query(to, &net, "stuck", "", PATIENCE).await }));
    }
    meter_reaches(&bert, "queries_in", limits::SESSION_QUERIES_MAX as u64).await;
    // This side's slots are used up, so the question waits here until its deadline.
    let deadline = Duration::from_millis(50);
    let waited = anne.query(bert.id(), &GroupId::net(), "stuck", "", deadline).await;
    assert_eq!(waited, Err(QueryError::TimedOut { after: deadline }));
    asked.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn questions_end_when_the_other_peer_does() {
    let (anne, bert) = (peer().await, peer().await);
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    let _never_read = bert.register_handler("stuck").unwrap();
    let asking = {
        let (anne, to) = (anne.clone(), bert.id());
        tokio::spawn(async move { anne.query(to, &GroupId::net(), "stuck", "", PATIENCE).await })
    };
    meter_reaches(&bert, "queries_in", 1).await;
    bert.shutdown().await;
    assert_eq!(asking.await.unwrap(), Err(QueryError::Closed));
    meter_reaches(&anne, "sessions_failed", 0).await;
    assert_eq!(meter(&anne, "task_panics"), 0);
}
