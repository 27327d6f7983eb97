//! Promise: the Grafana dashboard and the alert rules that come with the product ask for metrics that a served manager
//! really has, and for labels that these really have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use tests::{Couple, http};

use crate::store::until;

/// Words of a query that look like names of metrics: those with our prefix.
fn metrics_in(query: &str) -> Vec<&str> {
    let word = |c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':';
    query.split(word).filter(|word| word.starts_with("juxta_")).collect()
}

/// Labels that a query matches or sums by.
fn labels_in(query: &str) -> Vec<&str> {
    let matched = query.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let summed = query.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    let words = matched.chain(summed).flat_map(|list| list.split(','));
    words
        .filter_map(|part| part.split(['=', '!', '~']).next())
        .map(str::trim)
        .filter(|label| !label.is_empty())
        .collect()
}

/// The names and labels that a scrape has; a query may name them all.
fn exposed(scrape: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut known = BTreeMap::<String, BTreeSet<String>>::new();
    for line in scrape.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(['{', ' ']).unwrap_or((line, ""));
        let labels = rest.split_once('}').map_or("", |(labels, _)| labels);
        let labels =
            labels.split("\",").filter_map(|label| label.split_once('=')).map(|(label, _)| label.to_owned());
        known.entry(name.to_owned()).or_default().extend(labels);
    }
    known
}

fn document(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join("docs").join(name)).unwrap()
}

/// Asserts what Grafana needs to take a dashboard: an id of its own for each panel, places within 24 columns, a
/// source for each query.
fn assert_grafana_takes(dashboard: &Value) {
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36 && dashboard["uid"].is_string());
    assert!(dashboard["title"].is_string() && dashboard["time"]["from"].is_string());
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has the id of another");
        let place =
            |field: &str| panel["gridPos"][field].as_u64().unwrap_or_else(|| panic!("{title}: {field}"));
        assert!(place("x") + place("w") <= 24 && place("h") > 0 && place("y") < 1000, "{title}");
        assert!(panel["type"].is_string() && panel["datasource"]["uid"] == "${datasource}", "{title}");
    }
}

#[test]
fn every_panel_and_every_alert_asks_for_what_a_manager_exposes() {
    let couple = Couple::start("200ms");
    let served = couple.serve(&[]);
    let scrape = until("a histogram", || {
        let scrape = http(&served.address, "GET /metrics", &[], "").body;
        scrape.contains("juxta_transaction_response_seconds_bucket{").then_some(scrape)
    });
    let known = exposed(&scrape);
    let check = |query: &str, whence: &str| {
        let metrics = metrics_in(query);
        if metrics.is_empty() {
            return 0;
        }
        let mut labels = BTreeSet::from(["le".to_owned(), "job".to_owned(), "instance".to_owned()]);
        for metric in &metrics {
            let has = known
                .get(*metric)
                .unwrap_or_else(|| panic!("{whence} asks for {metric}, which is not exposed"));
            labels.extend(has.iter().cloned());
        }
        for label in labels_in(query) {
            assert!(labels.contains(label), "{whence} asks for the label {label} of {metrics:?}: {labels:?}");
        }
        metrics.len()
    };

    let dashboard: Value = serde_json::from_str(&document("grafana/juxta.json")).unwrap();
    assert_grafana_takes(&dashboard);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let mut names: BTreeSet<&str> =
        variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    names.extend(["__rate_interval", "__all"]);
    for query in variables.iter().filter_map(|variable| variable["query"]["query"].as_str()) {
        assert!(check(query, "a variable") == 1, "{query}");
    }
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            assert!(check(query, title) >= 1 && target["refId"].is_string(), "{title}: {query}");
            for variable in query.split('$').skip(1) {
                let end =
                    variable.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(variable.len());
                assert!(names.contains(&variable[..end]), "{title} names ${}", &variable[..end]);
            }
            queries += 1;
        }
    }
    let rules = document("prometheus/alerts.yml");
    let alerts: usize =
        rules.lines().map(|line| check(line.split('#').next().unwrap_or(""), "an alert")).sum();
    assert!(queries >= 10 && alerts >= 4, "{queries} queries, {alerts} metrics in alerts");
}
