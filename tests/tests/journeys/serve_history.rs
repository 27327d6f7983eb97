//! Promise: `mgmt serve` keeps what it shows, so that it is there after a restart and for `mgmt report`; it judges
//! objectives, and says on its page what is wrong.

use serde_json::{Value, json};
use tests::{Couple, Program, http};

/// What the report says of the store.
fn report(couple: &Couple, more: &[&str]) -> tests::Exit {
    let args = [&["report", "--json"], more].concat();
    Program::new("mgmt", &couple.home).args(args).data_dir(&couple.directory()).run()
}

/// How many ended in a series of the store.
fn ended(history: &Value) -> u64 {
    history["points"].as_array().into_iter().flatten().filter_map(|point| point[1].as_u64()).sum()
}

#[test]
fn what_was_shown_is_there_after_a_restart_and_for_a_report() {
    let mut couple = Couple::start("200ms");
    let served = couple.serve(&[]);
    let pair = format!("/api/history/hour/{}/{}", couple.people[0].peer_id, couple.people[1].peer_id);
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
    assert_eq!(report(&couple, &[]).code, Some(0));
    let second = couple.mgmt(&["collect", "--for", "1s"]).run();
    assert!(second.code == Some(1) && second.stderr.contains("used by another process"), "{second:?}");

    served.end();
    let kept = ended(&all);
    couple.people.clear();
    let served = couple.serve(&[]);
    let state = served.state("what was kept", |state| state["pairs_in_all"] == json!(2));
    let names: Vec<&Value> = state["peers"].as_array().unwrap().iter().map(|peer| &peer["name"]).collect();
    assert!(names.contains(&&json!("alice")) && names.contains(&&json!("bob")), "{names:?}");
    assert!(ended(&served.get("/api/history/hour").json()) >= kept);
}

#[test]
fn an_objective_that_burns_is_shown_told_as_an_alarm_and_agrees_with_the_report() {
    let mut couple = Couple::start("200ms");
    let file = couple.home.join("objectives.toml");
    let objective = |name: &str, what: &str| {
        format!("[[objective]]\nname = \"{name}\"\n{what}\nwindows = [\"1m\", \"1h\"]\n")
    };
    let impossible = objective("quick", "latency_ms = 0.001\nshare = 0.9");
    let mistyped = objective("nobody's", "availability = 0.9\ndest = \"nobdy\"");
    std::fs::write(&file, objective("there", "availability = 0.01") + &impossible + &mistyped).unwrap();
    let slo = ["--slo", file.to_str().unwrap()];
    let served = couple.serve(&slo);
    let alarm = |state: &Value, kind: &str| {
        state["alarms"].as_array().into_iter().flatten().any(|alarm| alarm["kind"] == kind)
    };
    // The first PING of all may have been in vain.
    let judged = |state: &Value| {
        let objectives = &state["outlook"]["objectives"];
        (&objectives[0]["broken"], &objectives[1]["broken"]) == (&json!(false), &json!(true))
    };
    let state = served.state("an alarm", |state| alarm(state, "objective") && judged(state));
    let standings = &state["outlook"]["objectives"];
    assert!(standings[1]["windows"][0]["burn"].as_f64().unwrap() > 9.0, "{standings}");
    let report = report(&couple, &slo);
    let told: Value = serde_json::from_str(&report.stdout.concat()).unwrap();
    assert!(report.code == Some(1) && told["objectives"][1]["broken"] == json!(true), "{report:?}");
    // What is about nobody is not kept either.
    assert!(standings[2]["no_data"] == json!(true) && standings[1]["no_data"] == json!(false), "{standings}");
    let text = couple.mgmt(&["report", slo[0], slo[1]]).run().stdout.join("\n");
    assert!(text.contains("objective \"nobody's\" (90 %): no data;"), "{text}");
    assert_eq!(state["manager"], json!({"role": "open", "may_change": false}));

    // Figures say of how many agents they tell.
    served.state("both agents", |state| state["agents"]["expected"] == 2);
    couple.people.clear();
    std::fs::write(&file, "[[objective]]\nname = 1").unwrap();
    served.end();
    let exit = couple.mgmt(&["serve", slo[0], slo[1]]).run();
    assert!(exit.code == Some(2) && exit.stderr.contains("objectives.toml"), "{exit:?}");
}

#[test]
fn somebody_without_buddies_reports_as_long_as_it_is_reached_and_then_no_more() {
    let couple = Couple::start("200ms");
    let lonely = couple.messenger("carol");
    let served = couple.serve(&[]);
    let agents = |reporting: u64| {
        let wanted = json!({ "expected": 3, "reporting": reporting, "beyond": 0 });
        move |state: &Value| state["agents"] == wanted
    };
    let state = served.state("three that report", agents(3));
    let row = state["peers"].as_array().unwrap().iter().find(|peer| peer["name"] == "carol").unwrap().clone();
    assert_eq!((&row["reporting"], &row["records"]), (&json!(true), &json!(0)));
    drop(lonely);
    served.state("one that does not", agents(2));
}
