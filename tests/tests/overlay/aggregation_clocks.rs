//! Aggregators whose clocks differ: figures go up all the same, also when the one above goes and comes back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mgmt_service::access::ManagementRole;
use mgmt_service::aggregate::{Beat, Fate, FromChild, FromParent, TREE_HANDLER, tree_pipe_id};
use mgmt_service::net::ManagementGroup;
use overlay::{Advertisement, AdvertisementKind, BidiPipe, Lifetime, PipeListener};
use tokio::time::timeout;

use crate::aggregation::{INTERVAL, LONG, Managed, until};

/// Takes the first report that comes from below; its child may have to try again.
async fn takes_a_report(listener: &mut PipeListener, beat: Beat) -> BidiPipe {
    let attended = async {
        loop {
            let mut pipe = listener.accept().await.unwrap();
            while let Ok(Some(said)) = pipe.recv().await {
                let answer = match FromChild::decode(&said).unwrap() {
                    FromChild::Attach(_) => {
                        let (at, length) = (beat.at(Instant::now()), INTERVAL);
                        FromParent::Attached { boot: 9, at, length, above: None }
                    }
                    FromChild::Report(report) => {
                        let interval = report.stamp.interval;
                        let taken = FromParent::Said { interval, fate: Fate::Taken };
                        if pipe.send(taken.encode().unwrap()).await.is_ok() {
                            return pipe;
                        }
                        break;
                    }
                };
                if pipe.send(answer.encode().unwrap()).await.is_err() {
                    break;
                }
            }
        }
    };
    timeout(LONG, attended).await.expect("a report, though the clocks differ")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregator_reports_to_one_whose_clock_is_behind_also_when_that_was_away() {
    let managed = Managed::new().await;
    let (root, place, _home) = managed.member(ManagementRole::Aggregator).await;
    let bind = |place: &ManagementGroup| {
        let group = place.group();
        group.bind(tree_pipe_id(&group.id(), &root.id())).unwrap()
    };
    let mut listener = bind(&place);
    let claim = Advertisement::new(AdvertisementKind::Service).key(TREE_HANDLER);
    let claim = claim.attribute("service", "mgmt-aggregator").attribute("level", "2");
    place.group().publish(claim, Lifetime::while_alive(Duration::from_secs(60))).await.unwrap();
    // Less than may be, and far more than this test is patient.
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(1800);
    let beat = Beat::of_clock(Instant::now(), unix, INTERVAL);
    let station = managed.aggregator(1).await;
    let pipe = takes_a_report(&mut listener, beat).await;
    drop((pipe, listener));
    // Between two looks it is the root itself, for longer than an interval.
    let looks = || station.node.upward_counters().into_iter().find(|(name, _)| *name == "attach_failed");
    until("nobody is above", || looks().is_some_and(|(_, count)| count >= 2)).await;
    let mut listener = bind(&place);
    takes_a_report(&mut listener, beat).await;
}
