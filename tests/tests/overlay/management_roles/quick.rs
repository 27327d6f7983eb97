//! What is quick: the end of who is revoked, an agent under a flood.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_operator_is_refused_within_two_seconds() {
    let managed = Managed::new().await;
    let mut quickest = Duration::MAX;
    // One will do: the machine may stand still while another is refused.
    for _ in 0..5 {
        quickest = quickest.min(revoked_is_refused_after(&managed).await);
        if quickest < Duration::from_secs(2) {
            return;
        }
    }
    panic!("a revoked operator still sets after {quickest:?}");
}

/// How long an operator can still set after its end.
async fn revoked_is_refused_after(managed: &Managed) -> Duration {
    let operator = managed.member(ManagementRole::Operator).await;
    operator.set(managed.id(), "5", NOW).await.unwrap();
    managed.boss.revoke(operator.peer.id()).unwrap();
    let revoked_at = Instant::now();
    while operator.set(managed.id(), "6", NOW).await.is_ok() {
        assert!(revoked_at.elapsed() < PATIENCE, "a revoked operator still sets");
    }
    let after = revoked_at.elapsed();
    let level = managed.level.load(Ordering::Relaxed);
    assert!(
        operator.set(managed.id(), "7", NOW).await.is_err() && operator.open(managed.id()).await.is_err()
    );
    assert_eq!(managed.level.load(Ordering::Relaxed), level);
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_denials_and_exploding_patterns_leave_a_short_log_and_a_quick_agent() {
    let managed = Managed::new().await;
    let (reader, operator) =
        (managed.member(ManagementRole::Reader).await, managed.member(ManagementRole::Operator).await);
    let agent = managed.id();
    for _ in 0..200 {
        assert!(refused(reader.set(agent, "5", NOW).await, RefuseReason::Policy));
    }
    assert!(managed.log().lines().count() < 40);
    let stars = format!("{}b:{}", "a*".repeat(200), "type=*x*y*z*".to_owned() + &"*q".repeat(150));
    let mut quickest = Duration::MAX;
    // The machine may stand still while one of them is answered.
    for _ in 0..5 {
        let asked = Instant::now();
        assert_eq!(reader.get(agent, &stars).await.unwrap(), "");
        quickest = quickest.min(asked.elapsed());
    }
    assert!(quickest < Duration::from_secs(2), "{quickest:?}");
    // What an agent is called may be anything; a log of JSON lines holds it on one line.
    let named = "plant:type=\"<script>=cmd|' /C calc'!A0\\n\"".parse().unwrap();
    let set = operator.manager.set(agent, &named, "=1+1", "\n=2".into(), NOW).await;
    assert!(matches!(set, Err(ManageError::Failed { code: FailureCode::NoObject, .. })));
    assert!(verify_audit(managed.log().as_bytes(), None).is_ok());
    drop(managed.agent);
}
