//! Propagate pipes of closed groups: members find each other by nothing but a rendezvous, and who is thrown out hears
//! and says nothing more.

use overlay::PipeId;

use crate::closed_groups::{Town, soon};
use crate::propagate::next;
use crate::world::{PATIENCE, meter};

#[tokio::test]
async fn members_that_know_a_rendezvous_alone_propagate_to_each_other_and_the_revoked_is_cut_off() {
    let town = Town::new().await;
    let (anne, annes) = town.founder().await;
    let (bert, berts) = town.member(&annes).await;
    let (carl, carls) = town.member(&annes).await;
    let pipe = PipeId::derive(&annes.id(), "council");
    let mut pipes = [&annes, &berts, &carls].map(|group| group.propagate_pipe(pipe).unwrap());
    for pipe in &pipes {
        tokio::time::timeout(PATIENCE, pipe.wait_members(2)).await.expect("members do not find each other");
    }
    for sender in 0..3 {
        pipes[sender].send(format!("of {sender}")).await.unwrap();
        for receiver in (0..3).filter(|receiver| *receiver != sender) {
            assert_eq!(next(&mut pipes[receiver]).await.body, format!("of {sender}"));
        }
    }
    annes.revoke(bert.id()).unwrap();
    soon("the revoked keeps links", async || {
        [(&anne, 1), (&bert, 0), (&carl, 1)]
            .iter()
            .all(|(peer, links)| meter(peer, "propagate_links") == *links)
    })
    .await;
    let [mut annes, mut berts, mut carls] = pipes;
    // It may not know yet that there is nobody to hear it.
    let _ = berts.send("of the revoked").await;
    annes.send("without bert").await.unwrap();
    assert_eq!(next(&mut carls).await.body, "without bert");
    carls.send("nor here").await.unwrap();
    assert_eq!(next(&mut annes).await.body, "nor here");
    let unheard = futures::poll!(std::pin::pin!(berts.recv()));
    assert!(unheard.is_pending() || unheard == std::task::Poll::Ready(None), "{unheard:?}");
    assert_eq!(meter(&anne, "task_panics") + meter(&bert, "task_panics") + meter(&carl, "task_panics"), 0);
}
