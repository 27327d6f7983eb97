//! Promise: `mgmt serve` shows what the peers measure to who has its link, to Prometheus and to Jolokia's clients; to
//! web pages of others, and to who has no link, it shows nothing.

use std::ops::Deref;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{
    Home, HttpAnswer, Meeting, Messenger, PATIENCE, Program, Served, Signal, befriend, http, loopback,
};

/// A name that a page must not take for markup.
const HOSTILE: &str = "<img src=x onerror=alert(1)>";

/// Alice and somebody with a hostile name, PINGing each other, and a served manager whose link somebody has opened.
struct Scene {
    served: Served,
    cookie: String,
    alice: Messenger,
    other: Messenger,
    _meeting: Meeting,
    _home: Home,
}

impl Scene {
    fn start() -> Self {
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let managed = ["--manage", "open", "--ping-period", "1s"];
        let mut alice = Messenger::start(&home, "alice", &meeting.address, &managed);
        let mut other = Messenger::start(&home, HOSTILE, &meeting.address, &managed);
        befriend(&mut alice, &mut other);
        let program = Program::new("mgmt", &home).args(["serve", "--rendezvous", &meeting.address]);
        let served = Served::start(program.args(loopback()), &home.join("manager"));

        let entered = served.enter();
        assert_eq!(entered.status, 200, "{entered:?}");
        let cookie = entered.header("set-cookie").to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        assert_eq!(served.enter().status, 401, "a link counts once");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { served, cookie, alice, other, _meeting: meeting, _home: home }
    }

    /// A GET with the session.
    fn get(&self, path: &str) -> HttpAnswer {
        http(&self.address, &format!("GET {path}"), &[("Cookie", &self.cookie)], "")
    }

    /// The state, as soon as it is as wanted.
    fn state(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let events = self.get("/api/events");
            let data = events.body.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or("{}");
            let state: Value = serde_json::from_str(data).unwrap();
            if wanted(&state) {
                return state;
            }
            assert!(Instant::now() < give_up, "no {what}: {state}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Deref for Scene {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

#[test]
fn who_has_the_link_sees_the_peers_and_others_see_nothing() {
    let served = Scene::start();
    let (alice, other) = (served.alice.peer_id.as_str(), served.other.peer_id.as_str());
    let pair = |pair: &Value| pair["peer"] == alice && pair["dest"] == other && pair["count"] != 0;
    let whole = |state: &Value| {
        state["pairs"].as_array().is_some_and(|pairs| pairs.iter().any(pair))
            && state["agents"] == json!({"expected": 2, "reporting": 2, "beyond": 0})
    };
    let state = served.state("answered PING of Alice", whole);
    let names: Vec<&Value> = state["peers"].as_array().unwrap().iter().map(|peer| &peer["name"]).collect();
    assert!(names.contains(&&json!("alice")) && names.contains(&&json!(HOSTILE)), "{names:?}");
    let chart = served.get(&format!("/api/chart/{alice}/{other}")).json();
    assert!(chart["summary"]["p99_us"].as_u64().unwrap() > 0, "{chart}");
    assert_eq!(served.get("/api/chart/x/y").status, 400);

    // The page holds no data at all, so no name can become a part of it; what it loads is here.
    let page = served.get("/");
    assert!(page.status == 200 && !page.body.contains("onerror") && !page.body.contains("://"), "{page:?}");
    for asset in page.body.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next()) {
        let answer = served.get(&format!("/assets/{asset}"));
        assert_eq!(answer.status, 200, "{asset}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let markup = ["innerHTML", "insertAdjacentHTML", "document.write", "eval("];
        let writes_markup = markup.iter().any(|word| answer.body.contains(word));
        assert!(!writes_markup || asset == "uplot.js", "{asset} writes markup, which a name could become");
    }
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");

    for path in ["/api/state", "/api/events", "/api/chart", "/jolokia", "/jolokia/list", "/"] {
        assert_eq!(http(&served.address, &format!("GET {path}"), &[], "").status, 401, "{path}");
        let forged = [("Cookie", "juxta_mgmt_1=AAAA"), ("Authorization", "Bearer AAAA")];
        assert_eq!(http(&served.address, &format!("GET {path}"), &forged, "").status, 401, "{path}");
    }
}

#[test]
fn a_rebound_name_and_the_page_of_somebody_else_are_refused_even_with_the_session() {
    let served = Scene::start();
    let port = served.address.rsplit(':').next().unwrap();
    let (evil, own) = (format!("evil.example:{port}"), format!("http://{}", served.address));
    let ask = |line: &str, headers: &[(&str, &str)]| {
        let session = [headers, &[("Cookie", served.cookie.as_str())]].concat();
        http(&served.address, line, &session, "{\"type\":\"version\"}").status
    };
    for path in ["/", "/api/state", "/metrics", "/healthz", "/assets/app.js"] {
        assert_eq!(ask(&format!("GET {path}"), &[("Host", &evil)]), 403, "{path}");
    }
    assert_eq!(ask("POST /jolokia", &[("Origin", &own)]), 200);
    for wrong in [("Origin", "http://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        assert_eq!(ask("POST /jolokia", &[wrong]), 403, "{wrong:?}");
        assert_eq!(ask("POST /api/link", &[wrong]), 403, "{wrong:?}");
    }
    assert_eq!(ask("GET /api/link", &[]), 405, "a GET makes nothing");
    let long = "x".repeat(100_000);
    let answer =
        http(&served.address, "POST /jolokia", &[("Cookie", &served.cookie), ("Origin", &own)], &long);
    assert_eq!(answer.status, 413);
}

#[test]
fn prometheus_gets_histograms_that_name_nobody() {
    let served = Scene::start();
    served.state("answered PING of two agents", |state| {
        state["overall"]["count"].as_u64().is_some_and(|count| count > 1) && state["agents"]["expected"] == 2
    });
    let scrape = |accept| http(&served.address, "GET /metrics", &[("Accept", accept)], "");
    let plain = scrape("text/plain");
    assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(plain.body.contains("juxta_transaction_response_seconds_bucket{"), "{}", plain.body);
    assert!(plain.body.contains("juxta_mgmt_agents_expected 2\n"), "{}", plain.body);
    for somebody in [&served.alice.peer_id, &served.other.peer_id, "alice", HOSTILE] {
        assert!(!plain.body.contains(somebody), "{somebody}");
    }
    let open = scrape("application/openmetrics-text; version=1.0.0");
    assert!(open.header("content-type").starts_with("application/openmetrics-text"));
    assert!(open.body.contains(" # {correlator=\"") && open.body.ends_with("# EOF\n"), "{}", open.body);
}

#[test]
fn jolokia_reads_the_objects_of_a_peer_and_changes_nothing() {
    let served = Scene::start();
    served.state("a record of Alice", |state| {
        state["peers"].as_array().is_some_and(|peers| peers.iter().any(|peer| peer["name"] == "alice"))
    });
    let alice = json!({"url": format!("juxta:{}", served.alice.peer_id)});
    let read =
        json!({"type": "read", "mbean": "juxta:type=agent", "attribute": "subscriptions", "target": alice});
    assert_eq!(served.jolokia(&read)["value"], json!(1));
    let bulk = served.jolokia(&json!([
        {"type": "version"},
        {"type": "search", "mbean": "juxta:*", "target": {"url": "alice"}},
        {"type": "list", "path": "juxta", "target": alice},
        {"type": "read", "mbean": "juxta:type=nothing"},
        {"type": "write", "mbean": "juxta:type=agent", "attribute": "gets", "value": 0, "target": alice},
        {"type": "exec", "mbean": "juxta:type=agent", "operation": "stop"},
    ]));
    let status: Vec<_> =
        bulk.as_array().unwrap().iter().map(|answer| answer["status"].as_u64().unwrap()).collect();
    assert_eq!(status, [200, 200, 200, 404, 403, 403], "{bulk}");
    assert_eq!(bulk[0]["value"]["info"]["product"], json!("juxta"));
    assert!(bulk[1]["value"].as_array().unwrap().contains(&json!("juxta:type=overlay")));
    assert!(bulk[2]["value"]["type=agent"]["attr"]["subscriptions"].is_object());
    let own = served.get("/jolokia/read/juxta:type=collection/agents").json();
    assert!(own["value"].as_u64().unwrap() >= 1, "{own}");
    assert_eq!(served.get("/jolokia/exec/juxta:type=collection/stop").json()["status"], json!(403));

    let Served { manager, token, .. } = served.served;
    manager.signal(Signal::Terminate);
    let exit = manager.finish();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(!exit.stderr.contains(&token) && !exit.stdout.concat().contains(&token));
}

#[test]
fn an_address_that_others_could_reach_is_wrong_usage() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let program = Program::new("mgmt", &home).args(["serve", "--http", "0.0.0.0:0"]);
    let program = program.args(["--rendezvous", &meeting.address]).args(loopback());
    let exit = program.data_dir(&home.join("manager")).run();
    assert_eq!(exit.code, Some(2), "{exit:?}");
    assert!(exit.stderr.contains("only a loopback address is allowed"), "{exit:?}");
}
