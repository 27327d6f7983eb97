//! What roles are held back from: a reader from ids in what an operator watches, an operator from filling the audit log.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_does_not_see_whom_a_monitor_is_about() {
    let managed = Managed::new().await;
    let (operator, reader) =
        (managed.member(ManagementRole::Operator).await, managed.member(ManagementRole::Reader).await);
    let watched: ObjectName = format!("juxta:type=link,peer={}", operator.peer.id()).parse().unwrap();
    let watched = watched.to_string();
    let monitors: ObjectName = "juxta:type=monitors".parse().unwrap();
    let arguments = vec![watched.as_str().into(), "connections".into(), 0.0.into(), 0.5.into()];
    let looking = async {
        // The link is an object once the agent has looked for it.
        while operator.manager.invoke(managed.id(), &monitors, "add-gauge", arguments.clone()).await.is_err()
        {
            tokio::task::yield_now().await;
        }
        while !operator.get(managed.id(), "juxta:type=notifications").await.unwrap().contains(&watched) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap();
    for pattern in ["juxta:type=monitor,*", "juxta:type=notifications", "*:*"] {
        let shown = reader.get(managed.id(), pattern).await.unwrap();
        assert!(shown.contains("type=link"), "{shown}");
        assert!(!shown.contains(&operator.peer.id().to_string()), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_nothing_pushes_nothing_out_of_the_audit_log() {
    let managed = Managed::new().await;
    let operator = managed.member(ManagementRole::Operator).await;
    let agent = managed.id();
    assert_eq!(operator.set(agent, "5", NOW).await.unwrap(), 1);
    let (long, monitors) = ("9".repeat(8 * 1024), "juxta:type=monitors".parse().unwrap());
    let invoke = |operation| operator.manager.invoke(agent, &monitors, operation, vec!["1".into()]);
    for _ in 0..100 {
        let dry = SetOptions { dry_run: true, expected: None };
        assert_eq!(operator.set(agent, "6", dry).await.unwrap(), 1);
        assert!(operator.set(agent, &long, NOW).await.is_err());
        assert!(invoke("no-such-operation").await.is_err());
        assert!(invoke("add-gauge").await.is_err(), "it takes more arguments");
    }
    assert_eq!(operator.set(agent, "7", NOW).await.unwrap(), 2);
    let log = managed.log();
    assert!(log.lines().count() < 40 && log.len() < 40_000, "{} bytes", log.len());
    for level in [5, 7] {
        assert!(log.contains(&format!(r#""after":{level},"result":"done""#)), "{log}");
    }
    let Managed { agent, agent_home, .. } = managed;
    agent.shutdown_within(PATIENCE).await;
    let log = std::fs::read_to_string(agent_home.path().join("audit.log")).unwrap();
    let sum = log.lines().find(|line| line.contains(r#""event":"denied""#)).unwrap();
    let subject = format!(r#""subject":"{}""#, operator.peer.id());
    assert!(sum.contains(&subject) && sum.contains(r#""count":380"#), "{sum}");
}
