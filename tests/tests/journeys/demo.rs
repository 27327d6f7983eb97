//! Promise: `im demo` shows everything with nothing configured, and leaves the records and the figures.

use std::fs;

use tests::{Home, Program};

#[test]
fn the_demo_shows_a_matrix_and_writes_records_and_figures() {
    let home = Home::new();
    let out = home.join("out");
    let demo = Program::new("im", &home).args(["demo", "--peers", "3", "--for", "6s", "--out"]);
    let exit = demo.args([out.as_os_str()]).run();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    let shown = exit.stdout.join("\n");
    assert!(shown.contains("online") && shown.contains('σ'), "{shown}");

    let records = crate::csv_records::read(&out.join("records.csv"));
    let good = records.iter().filter(|record| record["status"] == "good").count();
    assert!(good >= 6, "three peers are each other's buddies, so six links: {good} answered PINGs");
    let figures: Vec<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "svg"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    assert_eq!(figures.len(), 2, "series and distribution");
    assert!(figures.iter().all(|figure| figure.contains("<svg") && figure.trim_end().ends_with("</svg>")));
}
