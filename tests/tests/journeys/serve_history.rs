//! Promise: `mgmt serve` keeps what it shows, so that it is there after a restart and for `mgmt report`; it judges
//! objectives, and says on its page what is wrong.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Home, Meeting, Messenger, PATIENCE, Process, Program, Signal, befriend, http, loopback};

/// Alice and Bob PINGing each other.
struct World {
    people: Vec<Messenger>,
    meeting: Meeting,
    home: Home,
}

impl World {
    fn start() -> Self {
        let home = Home::new();
        let meeting = Meeting::start(&home, "rendezvous");
        let managed = ["--manage", "open", "--ping-period", "200ms"];
        let mut alice = Messenger::start(&home, "alice", &meeting.address, &managed);
        let mut bob = Messenger::start(&home, "bob", &meeting.address, &managed);
        befriend(&mut alice, &mut bob);
        Self { people: vec![alice, bob], meeting, home }
    }

    fn mgmt(&self, args: &[&str]) -> Program {
        let program =
            Program::new("mgmt", &self.home).args(args).args(["--rendezvous", &self.meeting.address]);
        program.args(loopback()).data_dir(&self.home.join("manager"))
    }

    fn serve(&self, more: &[&str]) -> Served {
        let manager = self.mgmt(&[&["serve"], more].concat()).start();
        let link = manager.line("the jolokia line", |line| line.starts_with("jolokia"));
        let address = link.split_once("http://").unwrap().1.split('/').next().unwrap().to_owned();
        let token = std::fs::read_to_string(self.home.join("manager").join("serve-token")).unwrap();
        Served { manager, address, bearer: format!("Bearer {token}") }
    }

    fn report(&self, more: &[&str]) -> tests::Exit {
        let args = [&["report", "--json"], more].concat();
        Program::new("mgmt", &self.home).args(args).data_dir(&self.home.join("manager")).run()
    }
}

struct Served {
    manager: Process,
    address: String,
    bearer: String,
}

impl Served {
    fn get(&self, path: &str) -> tests::HttpAnswer {
        http(&self.address, &format!("GET {path}"), &[("Authorization", &self.bearer)], "")
    }

    fn until(&self, what: &str, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).json();
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < give_up, "no {what}: {answer}");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

/// How many ended in a series of the store.
fn ended(history: &Value) -> u64 {
    history["points"].as_array().into_iter().flatten().filter_map(|point| point[1].as_u64()).sum()
}

#[test]
fn what_was_shown_is_there_after_a_restart_and_for_a_report() {
    let mut world = World::start();
    let served = world.serve(&[]);
    let pair = format!("/api/history/hour/{}/{}", world.people[0].peer_id, world.people[1].peer_id);
    served.until("history of the pair", &pair, |history| ended(history) >= 5);
    let all = served.get("/api/history/hour").json();
    assert!(all["points"][0].as_array().unwrap().len() == 7 && all["width_ms"] == json!(60_000), "{all}");
    for (path, status) in [
        ("/api/history/year", 404),
        ("/api/history/day/x/y", 400),
        ("/api/history/week", 200),
        ("/api/history/day", 200),
    ] {
        assert_eq!(served.get(path).status, status, "{path}");
    }
    assert_eq!(http(&served.address, "GET /api/history/hour", &[], "").status, 401);
    // Others read the store meanwhile; a second writer is told why it may not.
    assert_eq!(world.report(&[]).code, Some(0));
    let second = world.mgmt(&["collect", "--for", "1s"]).run();
    assert!(second.code == Some(1) && second.stderr.contains("used by another process"), "{second:?}");

    served.manager.signal(Signal::Terminate);
    assert_eq!(served.manager.finish().code, Some(0));
    let kept = ended(&all);
    world.people.clear();
    let served = world.serve(&[]);
    let state = served.until("what was kept", "/api/state", |state| state["pairs_in_all"] == json!(2));
    let names: Vec<&Value> = state["peers"].as_array().unwrap().iter().map(|peer| &peer["name"]).collect();
    assert!(names.contains(&&json!("alice")) && names.contains(&&json!("bob")), "{names:?}");
    assert!(ended(&served.get("/api/history/hour").json()) >= kept);
}

#[test]
fn an_objective_that_burns_is_shown_told_as_an_alarm_and_agrees_with_the_report() {
    let mut world = World::start();
    let file = world.home.join("objectives.toml");
    let objective = |name: &str, what: &str| {
        format!("[[objective]]\nname = \"{name}\"\n{what}\nwindows = [\"1m\", \"1h\"]\n")
    };
    let impossible = objective("quick", "latency_ms = 0.001\nshare = 0.9");
    std::fs::write(&file, objective("there", "availability = 0.01") + &impossible).unwrap();
    let slo = ["--slo", file.to_str().unwrap()];
    let served = world.serve(&slo);
    let alarm = |state: &Value, kind: &str| {
        state["alarms"].as_array().into_iter().flatten().any(|alarm| alarm["kind"] == kind)
    };
    let state = served.until("an alarm", "/api/state", |state| alarm(state, "objective"));
    let standings = &state["outlook"]["objectives"];
    assert_eq!(
        (&standings[0]["broken"], &standings[1]["broken"]),
        (&json!(false), &json!(true)),
        "{standings}"
    );
    assert!(standings[1]["windows"][0]["burn"].as_f64().unwrap() > 9.0, "{standings}");
    let report = world.report(&slo);
    let told: Value = serde_json::from_str(&report.stdout.concat()).unwrap();
    assert!(report.code == Some(1) && told["objectives"][1]["broken"] == json!(true), "{report:?}");
    assert_eq!(state["manager"], json!({"role": "open", "may_change": false}));

    // Figures say of how many agents they tell.
    assert_eq!(state["agents"]["expected"], json!(2), "{}", state["agents"]);
    world.people.clear();
    std::fs::write(&file, "[[objective]]\nname = 1").unwrap();
    served.manager.signal(Signal::Terminate);
    assert_eq!(served.manager.finish().code, Some(0));
    let exit = world.mgmt(&["serve", slo[0], slo[1]]).run();
    assert!(exit.code == Some(2) && exit.stderr.contains("objectives.toml"), "{exit:?}");
}
