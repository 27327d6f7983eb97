//! Promise: `im demo` shows everything with nothing configured, and leaves the records and the figures.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tests::{Home, Program, Signal};

use crate::store::until;

/// The pairs of whom an answered PING is in the file, whose last line may still be written.
fn answered(csv: &Path) -> usize {
    let text = fs::read_to_string(csv).unwrap_or_default();
    let lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let good = lines.filter(|fields| fields.get(6) == Some(&"good"));
    good.map(|fields| (fields[1].to_owned(), fields[3].to_owned())).collect::<BTreeSet<_>>().len()
}

#[test]
fn the_demo_shows_a_matrix_and_writes_records_and_figures() {
    let home = Home::new();
    let out = home.join("out");
    let demo = |more: &[&str]| {
        let demo = Program::new("im", &home).args(["demo", "--peers", "3"]).args(more);
        demo.args(["--out".as_ref(), out.as_os_str()])
    };
    let running = demo(&[]).start();
    let csv = out.join("records.csv");
    until("three people are each other's buddies, so six links", || (answered(&csv) == 6).then_some(()));
    running.signal(Signal::Interrupt);
    let exit = running.finish();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    let shown = exit.stdout.join("\n");
    assert!(shown.contains("online") && shown.contains('σ'), "{shown}");

    let records = crate::csv_records::read(&csv);
    let good = records.iter().filter(|record| record["status"] == "good").count();
    assert!(good >= 6, "what was there is there: {good} answered PINGs");
    let figures: Vec<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "svg"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    assert_eq!(figures.len(), 2, "series and distribution");
    assert!(figures.iter().all(|figure| figure.contains("<svg") && figure.trim_end().ends_with("</svg>")));

    let exit = demo(&["--for", "1s"]).run();
    assert_eq!(exit.code, Some(0), "it ends by itself: {exit:?}");
    assert!(exit.stdout.concat().contains("records.csv"), "{exit:?}");
}
