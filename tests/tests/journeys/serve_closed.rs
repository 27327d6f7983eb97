//! Promise: in a management group `mgmt serve` sets and invokes what its role may, for Jolokia's clients and for its own
//! page, and shows a reader pseudonyms and changes nothing for it.

use std::ops::Deref;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Home, HttpAnswer, Meeting, Messenger, Process, Program, Served, befriend, http, loopback};

/// Alice and Bob PINGing each other as agents of a management group that `boss` has created.
struct Closed {
    alice: Messenger,
    bob: Messenger,
    meeting: Meeting,
    home: Home,
}

impl Closed {
    fn start() -> Self {
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let exit = mgmt(&home, &meeting, "boss", &["init"]).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let agent = |name: &str| {
            let (inviting, ticket) = invite(&home, &meeting, "agent");
            let managed = ["--manage", &ticket, "--ping-period", "1s"];
            let agent = Messenger::start(&home, name, &meeting.address, &managed);
            assert_eq!(inviting.finish().code, Some(0));
            agent
        };
        let (mut alice, mut bob) = (agent("alice"), agent("bob"));
        befriend(&mut alice, &mut bob);
        Self { alice, bob, meeting, home }
    }

    /// A manager that has entered as `role`, served.
    fn serve(&self, role: &str, more: &[&str]) -> Page {
        let (inviting, ticket) = invite(&self.home, &self.meeting, role);
        let exit = mgmt(&self.home, &self.meeting, role, &["join", &ticket]).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        assert_eq!(inviting.finish().code, Some(0));
        Page::open(&self.home, &self.meeting, role, more)
    }
}

/// A served manager whose link somebody has opened.
struct Page {
    served: Served,
    cookie: String,
}

impl Page {
    fn open(home: &Home, meeting: &Meeting, name: &str, more: &[&str]) -> Self {
        let args = [&["serve", "--rendezvous", &meeting.address], more].concat();
        let program = Program::new("mgmt", home).args(args).args(loopback());
        let served = Served::start(program, &home.join(name));
        let cookie = served.enter().header("set-cookie").split(';').next().unwrap().to_owned();
        Self { served, cookie }
    }

    fn has_heard_alice(&self) -> Value {
        self.state("a record of Alice", |state| peer(state, "alice").is_some_and(|peer| peer["records"] != 0))
    }

    /// What the page asks, with its session and its `Origin`.
    fn page(&self, path: &str, body: &Value) -> HttpAnswer {
        let origin = format!("http://{}", self.address);
        let headers = [("Cookie", self.cookie.as_str()), ("Origin", &origin)];
        http(&self.address, &format!("POST {path}"), &headers, &body.to_string())
    }
}

impl Deref for Page {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

fn mgmt(home: &Home, meeting: &Meeting, name: &str, args: &[&str]) -> Program {
    let program = Program::new("mgmt", home).args(args).args(["--rendezvous", &meeting.address]);
    program.args(loopback()).data_dir(&home.join(name))
}

/// `mgmt` with these arguments alone, in its directory.
fn mgmt_offline(home: &Home, name: &str, args: &[&str]) -> Program {
    Program::new("mgmt", home).args(args).data_dir(&home.join(name))
}

/// A ticket for `role`, and the issuer that waits until it was used.
fn invite(home: &Home, meeting: &Meeting, role: &str) -> (Process, String) {
    let inviting = mgmt(home, meeting, "boss", &["invite", role]).start();
    let ticket = inviting.line("a ticket", |line| line.starts_with("juxta-group:"));
    (inviting, ticket)
}

/// The row of the agent of this name.
fn peer<'a>(state: &'a Value, name: &str) -> Option<&'a Value> {
    state["peers"].as_array()?.iter().find(|peer| peer["name"] == name)
}

const SETTINGS: &str = "juxta:type=messenger-settings";

#[test]
fn an_operator_sets_and_invokes_over_jolokia_and_over_the_page() {
    let closed = Closed::start();
    let served = closed.serve("operator", &[]);
    served.has_heard_alice();
    let alice = json!({"url": format!("juxta:{}", closed.alice.peer_id)});
    let done = served.jolokia(&json!([
        {"type": "write", "mbean": SETTINGS, "attribute": "ping_period_ms", "value": 900, "target": alice},
        {"type": "read", "mbean": SETTINGS, "attribute": "ping_period_ms", "target": alice},
        {"type": "write", "mbean": SETTINGS, "attribute": "ping_period_ms", "value": "soon", "target": alice},
        {"type": "write", "mbean": SETTINGS, "attribute": "nothing", "value": 1, "target": alice},
        {"type": "write", "mbean": SETTINGS, "attribute": "ping_period_ms", "value": [1], "target": alice},
        {"type": "exec", "mbean": "juxta:type=monitors", "operation": "add-counter(java.lang.String)",
            "arguments": ["juxta:type=agent", "gets", 1], "target": alice},
        {"type": "exec", "mbean": "juxta:type=monitors", "operation": "remove", "arguments": [99], "target": alice},
        {"type": "exec", "mbean": "juxta:type=nothing", "operation": "go", "target": alice},
        {"type": "write", "mbean": "juxta:type=collection", "attribute": "agents", "value": 1},
        {"type": "list", "path": "juxta/type=messenger-settings", "target": alice},
    ]));
    let status: Vec<u64> =
        done.as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(status, [200, 200, 400, 404, 400, 200, 500, 404, 403, 200], "{done}");
    assert_eq!(
        (&done[0]["value"], &done[1]["value"], &done[5]["value"]),
        (&json!(1000), &json!(900), &json!(1))
    );
    assert_eq!(done[9]["value"]["attr"]["ping_period_ms"]["rw"], json!(true), "{done}");

    // The page asks what there is, tries, sets, and is told when somebody else was faster.
    let bob = closed.bob.peer_id.as_str();
    let described = served.page("/api/describe", &json!({"peer": bob, "object": SETTINGS})).json();
    let set = &described["attributes"][0]["set"];
    assert!(set["values"].as_str().unwrap().starts_with("a whole number from"), "{described}");
    let wish = |value: u64, dry_run: bool| {
        json!({"peer": bob, "object": SETTINGS, "attribute": "ping_period_ms", "value": value,
            "version": set["version"], "dry_run": dry_run})
    };
    let tried = served.page("/api/set", &wish(800, true)).json();
    assert_eq!(
        (&tried["before"], &tried["after"], &tried["dry_run"]),
        (&json!(1000), &json!(800), &json!(true))
    );
    assert_eq!(served.page("/api/set", &wish(800, false)).status, 200);
    let stale = served.page("/api/set", &wish(700, false));
    assert!(stale.status == 409 && stale.body.contains("changed meanwhile"), "{stale:?}");
    assert_eq!(served.page("/api/set", &wish(0, true)).status, 400);
    let add = json!({"peer": bob, "object": "juxta:type=monitors", "operation": "add-counter",
        "arguments": ["juxta:type=agent", "gets", 1]});
    assert_eq!(served.page("/api/invoke", &add).json()["value"], json!(1));
    for nonsense in [json!({"peer": bob}), json!([]), json!({"peer": bob, "object": "x", "more": 1})] {
        assert_eq!(served.page("/api/set", &nonsense).status, 400, "{nonsense}");
    }

    // What a monitor says is an alarm until it is gone.
    let gauge = |operation: &str, arguments: Value| json!({"peer": bob, "object": "juxta:type=monitors", "operation": operation, "arguments": arguments});
    let watched = json!(["juxta:type=agent", "gets", 0, 1]);
    assert_eq!(served.page("/api/invoke", &gauge("add-gauge", watched)).json()["value"], json!(2));
    let high = |state: &Value| {
        let alarms = state["alarms"].as_array().into_iter().flatten();
        alarms.filter(|alarm| alarm["kind"] == "monitor" && alarm["which"] == "2").count()
    };
    let state = served.state("an alarm of Bob's monitor", |state| high(state) == 1);
    assert!(state["notifications"].to_string().contains("high monitor 2 juxta:type=agent gets"), "{state}");
    assert_eq!(served.page("/api/invoke", &gauge("remove", json!([2]))).status, 200);
    served.state("the end of the alarm", |state| high(state) == 0);
}

#[test]
fn a_reader_sees_pseudonyms_and_changes_nothing() {
    let closed = Closed::start();
    let served = closed.serve("reader", &[]);
    let state = served.has_heard_alice();
    let row = peer(&state, "alice").unwrap();
    assert_eq!(row["reporting"], json!(true), "{row}");
    assert_eq!(state["manager"], json!({"role": "reader", "may_change": false}));
    let told = state.to_string();
    for id in [&closed.alice.peer_id, &closed.bob.peer_id] {
        assert!(!told.contains(id.as_str()), "{id} in {told}");
    }
    // Asked by its pseudonym, an agent still answers; nothing is set or done.
    let alice = json!({"url": format!("juxta:{}", row["peer"].as_str().unwrap())});
    let done = served.jolokia(&json!([
        {"type": "read", "mbean": "juxta:type=agent", "attribute": "gets", "target": alice},
        {"type": "write", "mbean": SETTINGS, "attribute": "ping_period_ms", "value": 900, "target": alice},
        {"type": "exec", "mbean": "juxta:type=monitors", "operation": "remove", "arguments": [1], "target": alice},
    ]));
    let status: Vec<u64> =
        done.as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(status, [200, 403, 403], "{done}");
    assert!(done[1]["error"].as_str().unwrap().contains("reader may not"), "{done}");
    let set = json!({"peer": row["peer"], "object": SETTINGS, "attribute": "ping_period_ms", "value": 900});
    assert_eq!(served.page("/api/set", &set).status, 403);

    // What it has kept is the same: two peers, both under their pseudonyms.
    served.served.end();
    let exit = mgmt_offline(&closed.home, "reader", &["report", "--json"]).run();
    let report: Value = serde_json::from_str(&exit.stdout.concat()).unwrap();
    let (askers, text) = (report["peers"].as_array().unwrap(), report.to_string());
    assert!(askers.len() <= 2 && askers.iter().any(|asker| asker["peer"] == row["peer"]), "{text}");
    let again = Page::open(&closed.home, &closed.meeting, "reader", &[]);
    let state = again.has_heard_alice();
    assert_eq!(state["agents"]["expected"], json!(2), "{state}");
    for id in [&closed.alice.peer_id, &closed.bob.peer_id] {
        assert!(!askers.iter().any(|asker| asker["peer"] == id.as_str()), "{id} in {text}");
    }
}

#[test]
fn another_page_and_a_bare_session_change_nothing() {
    let closed = Closed::start();
    let served = closed.serve("operator", &[]);
    served.has_heard_alice();
    let alice = closed.alice.peer_id.as_str();
    let set =
        json!({"peer": alice, "object": SETTINGS, "attribute": "ping_period_ms", "value": 777}).to_string();
    let write = json!({"type": "write", "mbean": SETTINGS, "attribute": "ping_period_ms", "value": 777,
        "target": {"url": format!("juxta:{alice}")}})
    .to_string();
    let session = ("Cookie", served.cookie.as_str());
    let port: u16 = served.address.rsplit(':').next().unwrap().parse().unwrap();
    let neighbour = format!("http://127.0.0.1:{}", port ^ 1);
    for (path, body) in
        [("/api/set", &set), ("/api/invoke", &set), ("/api/describe", &set), ("/jolokia", &write)]
    {
        let ask =
            |headers: &[(&str, &str)]| http(&served.address, &format!("POST {path}"), headers, body).status;
        assert_eq!(ask(&[]), 401, "{path} without a session");
        assert_eq!(ask(&[session]), 403, "{path} without Origin");
        assert_eq!(ask(&[session, ("Origin", "http://evil.example")]), 403, "{path}");
        assert_eq!(ask(&[session, ("Origin", &neighbour)]), 403, "{path} from another port of this machine");
        assert_eq!(
            ask(&[session, ("Origin", "null"), ("Sec-Fetch-Mode", "navigate")]),
            403,
            "{path} by a form"
        );
        let get = http(&served.address, &format!("GET {path}"), &[session], body);
        assert!(get.status == 405 || path == "/jolokia", "{path} by GET: {get:?}");
    }
    let read =
        json!({"type": "read", "mbean": SETTINGS, "attribute": "ping_period_ms", "target": {"url": "alice"}});
    assert_eq!(served.jolokia(&read)["value"], json!(1000));
}

#[test]
fn what_a_monitor_says_is_on_the_page_and_in_watch_as_it_happens() {
    let closed = Closed::start();
    let served = closed.serve("operator", &[]);
    served.has_heard_alice();
    let alice = closed.alice.peer_id.as_str();
    let (inviting, ticket) = invite(&closed.home, &closed.meeting, "reader");
    assert_eq!(mgmt(&closed.home, &closed.meeting, "ronja", &["join", &ticket]).run().code, Some(0));
    assert_eq!(inviting.finish().code, Some(0));
    let watch = ["watch", "juxta:*", "--notifications", "--jsonl"];
    let watching = mgmt(&closed.home, &closed.meeting, "ronja", &watch).start();
    let add = |operation: &str, arguments: Value| json!({"peer": alice, "object": "juxta:type=monitors", "operation": operation, "arguments": arguments});
    let settings = json!([SETTINGS, "ping_period_ms", 1000, 5000]);
    assert_eq!(served.page("/api/invoke", &add("add-gauge", settings)).status, 200);
    let set = |period: u64| {
        let set = json!({"peer": alice, "object": SETTINGS, "attribute": "ping_period_ms", "value": period});
        assert_eq!(served.page("/api/set", &set).status, 200);
    };
    let alarm = |state: &Value| {
        let alarms = state["alarms"].as_array().into_iter().flatten();
        alarms.filter(|alarm| alarm["kind"] == "monitor" && alarm["peer"] == alice).count() == 1
    };
    // A second until the monitor looks, a second until it is here; and a machine that does other things as well, or stands
    // still at some times.
    let mut took = Vec::new();
    while took.last().is_none_or(|last| *last >= Duration::from_secs(4)) {
        assert!(took.len() < CROSSINGS_MAX, "{took:?}");
        let set_at = Instant::now();
        set(6000);
        served.state("the alarm", alarm);
        took.push(set_at.elapsed());
        set(900);
        served.state("the end of the alarm", |state| !alarm(state));
    }
    let line = watching.line("the notification", |line| line.contains("\"notification\""));
    let said: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&said["crossing"], &said["value"], &said["object"]),
        (&json!("high"), &json!("6000"), &json!(SETTINGS))
    );
    assert!(!line.contains(alice), "a reader sees pseudonyms: {line}");
}

/// How often a limit is crossed at most until that is shown in time.
const CROSSINGS_MAX: usize = 6;

#[test]
fn a_manager_whose_place_is_taken_says_so_on_its_page() {
    let closed = Closed::start();
    let served = closed.serve("operator", &[]);
    let credential = |state: &Value| {
        state["alarms"].as_array().into_iter().flatten().any(|alarm| alarm["kind"] == "credential")
    };
    let state = served.has_heard_alice();
    assert!(!credential(&state), "{state}");
    let identity = closed.home.join("operator").join("identity");
    let id = overlay::identity::load_or_create(&identity).unwrap().public().to_peer_id().to_string();
    let exit = mgmt(&closed.home, &closed.meeting, "boss", &["revoke", &id]).run();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    served.state("the alarm", credential);
}
