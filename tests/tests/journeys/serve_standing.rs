//! Promise: while nobody looks, `mgmt serve` lets agents gather a minute; who opens the page sees records within a second;
//! and what is measured while it is away it finds when it comes back.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mgmt_service::store::Store;
use serde_json::{Value, json};
use tests::{Couple, Home, PATIENCE, Served, http};

use crate::store::{collects_standing, keeps_more, stored, until};

/// What the collection counts, once it has begun; to ask for that is not to look at records.
fn counted(served: &Served, counter: &str) -> u64 {
    served.get(&format!("/jolokia/read/juxta:type=collection/{counter}")).json()["value"]
        .as_u64()
        .unwrap_or(0)
}

/// Opens the stream of events and keeps it open.
fn browser(served: &Served) -> impl Iterator<Item = Value> + use<> {
    let mut stream = TcpStream::connect(&served.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (host, bearer) = (&served.address, served.bearer());
    write!(stream, "GET /api/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bearer}\r\n\r\n").unwrap();
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
}

/// The store of the manager.
fn store(home: &Home) -> Store {
    until("a store", || Store::read(&home.join("manager").join("records.db")).ok())
}

/// Somebody looks, after agents have gathered for a while, and goes when records come; how long the gathered ones took.
fn looks_and_goes(couple: &Couple, served: &Served) -> Duration {
    let (opened, gathered) = (Instant::now(), counted(served, "records"));
    let mut states = browser(served);
    let more = |state: &Value, than: u64| state["records"].as_u64().is_some_and(|records| records >= than);
    let seen = states.find(|state| more(state, gathered + 20) && state["agents"]["reporting"] == 2).unwrap();
    let took = opened.elapsed();
    let before = seen["records"].as_u64().unwrap();
    assert!(states.any(|state| more(&state, before + 10)));

    // The browser goes: agents gather again, which is no silence.
    drop(states);
    let gathers = until("gathering again", || {
        let before = counted(served, "batches");
        keeps_more(&couple.home, "bob");
        (counted(served, "batches") == before).then_some(before)
    });
    assert!(gathers >= 2);
    took
}

/// How often somebody looks at most until records come in time.
const LOOKS_MAX: usize = 6;

#[test]
fn agents_gather_while_nobody_looks_and_a_browser_sees_records_within_a_second() {
    let couple = Couple::start("100ms");
    let served = couple.serve(&[]);
    keeps_more(&couple.home, "alice");
    keeps_more(&couple.home, "bob");
    until("both are followed", || (counted(&served, "agents") == 2).then_some(()));
    assert_eq!(counted(&served, "records"), 0, "batches of a minute");
    assert!(stored(&store(&couple.home)).is_empty());

    // The promise is a second; a machine that does other things as well gets three, and some tries if it stands still.
    let mut took = Vec::new();
    while took.last().is_none_or(|last| *last >= Duration::from_secs(3)) {
        assert!(took.len() < LOOKS_MAX, "{took:?}");
        took.push(looks_and_goes(&couple, &served));
    }
    served.end();
}

#[test]
fn who_judges_or_scrapes_is_served_at_once() {
    let couple = Couple::start("100ms");
    let file = couple.home.join("objectives.toml");
    std::fs::write(&file, "[[objective]]\nname = \"there\"\navailability = 0.5\n").unwrap();
    let served = couple.serve(&["--slo", file.to_str().unwrap()]);
    until("records for the objectives", || (counted(&served, "records") >= 20).then_some(()));
    served.end();
    let served = couple.serve(&[]);
    until("records of both in a scrape", || {
        let text = http(&served.address, "GET /metrics", &[("Accept", "text/plain")], "").body;
        let words = ["juxta_transaction_response_seconds_count{", "juxta_mgmt_agents_reporting 2\n"];
        words.iter().all(|word| text.contains(word)).then_some(())
    });
    served.end();
}

#[test]
fn what_is_measured_while_it_is_away_is_there_when_it_or_a_standing_collector_comes_back() {
    let couple = Couple::start("100ms");
    let served = couple.serve(&[]);
    keeps_more(&couple.home, "alice");
    served.end();
    let store = store(&couple.home);
    let first = stored(&store).len();
    assert!(first > 0, "a manager that ends takes what there is");
    // It is away; a collector of the same directory goes on with the same subscription, and a served one after it.
    keeps_more(&couple.home, "alice");
    collects_standing(|time| couple.mgmt(&["collect", "--standing", "--for", time]), &store, first + 10);
    let second = stored(&store).len();
    keeps_more(&couple.home, "alice");
    let served = couple.serve(&[]);
    let mut states = browser(&served);
    assert!(
        states.any(|state| state["records"].as_u64().is_some_and(|records| records >= second as u64 + 10))
    );
    served.end();

    let records: Vec<_> = stored(&store).iter().map(crate::store::by_column).collect();
    for messenger in &couple.people {
        crate::csv_records::assert_none_is_missing(&records, &messenger.peer_id, 20);
    }
}

#[test]
fn an_agent_that_died_is_an_alarm_until_it_reports_again() {
    let mut couple = Couple::start("100ms");
    let served = couple.serve(&["--silent-after", "2s"]);
    let mut states = browser(&served);
    let bob = couple.people[1].peer_id.clone();
    let silent = |state: &Value| {
        let alarms = state["alarms"].as_array().into_iter().flatten();
        alarms
            .filter(|alarm| alarm["kind"] == "silent")
            .map(|alarm| alarm["peer"].clone())
            .collect::<Vec<_>>()
    };
    let whole = |state: &Value| state["agents"]["reporting"] == json!(2);
    // Who stands still for a while is silent as well, until it goes on.
    assert!(states.any(|state| whole(&state) && silent(&state).is_empty()));
    couple.people.pop().unwrap().into_process().kill();
    let alone = json!({"expected": 2, "reporting": 1, "beyond": 0});
    assert!(states.any(|state| silent(&state) == [json!(bob)] && state["agents"] == alone));
    let bob = couple.messenger("bob");
    couple.people.push(bob);
    assert!(states.any(|state| whole(&state) && silent(&state).is_empty()));
    drop(states);
    served.end();
}
