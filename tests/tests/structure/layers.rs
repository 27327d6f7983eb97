//! Imports run one way: inside a crate only toward the simpler module.
//!
//! Between crates the manifests say it (see `manifests`), and the compiler holds everybody to them.
//! Inside a crate the compiler allows any arrow, so they are read from the `use` lines here.

use std::collections::{BTreeMap, BTreeSet};

use crate::use_paths::{crate_paths, module_of, re_exports};
use crate::workspace::{SourceFile, assert_none, source_files};

/// The modules of a crate, simplest first. A module may import from its own tier and from those before it.
struct Layers {
    folder: &'static str,
    tiers: &'static [&'static [&'static str]],
    /// Whether every module must have a tier; else one without stands above all that have one.
    complete: bool,
}

/// The overlay: what a word means, what travels, what is decided, what moves it, what users hold.
const OVERLAY: Layers = Layers {
    folder: "overlay/src/",
    tiers: &[
        &["error", "id", "identity", "limits", "meters", "wire"],
        &["advertisement", "credential"],
        &["protocol"],
        &["core"],
        &["net"],
        &["event", "peer", "group", "pipe"],
        // Test code that feeds each of them.
        &["fuzzing"],
    ],
    complete: true,
};

/// The management plane: what is measured and managed knows nothing of what carries or shows it.
const MGMT_SERVICE: Layers = Layers {
    folder: "mgmt-service/src/",
    tiers: &[
        &["error", "limits"],
        &["arm"],
        &["jmx", "latency", "plot", "protocol", "subscription", "summary"],
    ],
    complete: false,
};

/// Every arrow of `files` that points from a simpler module to one above it, or to a module without a tier.
fn arrows_back(files: &[SourceFile], layers: &Layers) -> Vec<String> {
    let mut violations = Vec::new();
    for (file, from, to) in arrows(files, layers.folder) {
        if layers.complete && tier(layers, &from) == layers.tiers.len() {
            violations.push(format!("{file}: module `{from}` has no place in the order of modules"));
        }
        if tier(layers, &from) < tier(layers, &to) {
            violations.push(format!("{file}: `{from}` may not import from `{to}`, which stands above it"));
        }
    }
    violations
}

/// Every circle of imports between the top-level modules of a crate, as one line.
fn circles(files: &[SourceFile], folder: &str) -> Vec<String> {
    let mut targets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, from, to) in arrows(files, folder) {
        targets.entry(from).or_default().insert(to);
    }
    // Who imports nothing that is left, or is imported by nothing that is left, stands in no circle.
    loop {
        let imported: BTreeSet<String> = targets.values().flatten().cloned().collect();
        let before = targets.len();
        let left: BTreeSet<String> = targets.keys().cloned().collect();
        targets.retain(|from, to| imported.contains(from) && to.iter().any(|to| left.contains(to)));
        if targets.len() == before {
            break;
        }
    }
    if targets.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = targets.keys().map(String::as_str).collect();
    vec![format!("{folder}: these modules import each other in a circle: {}", names.join(", "))]
}

/// `(file, module, imported module)` for each import between two top-level modules of the crate.
fn arrows(files: &[SourceFile], folder: &str) -> Vec<(String, String, String)> {
    let own: Vec<&SourceFile> = files.iter().filter(|file| file.path.starts_with(folder)).collect();
    let facade: BTreeMap<String, Vec<String>> = own
        .iter()
        .filter(|file| file.path == format!("{folder}lib.rs"))
        .flat_map(|file| re_exports(&file.shipped_code()))
        .collect();
    let mut arrows = BTreeSet::new();
    for file in own {
        let module = module_of(&file.path);
        let Some(from) = module.first() else { continue };
        for path in crate_paths(&file.shipped_code(), &module) {
            let Some(first) = path.first() else { continue };
            let to = facade.get(first).and_then(|path| path.first()).unwrap_or(first);
            if to != from {
                arrows.insert((file.path.clone(), from.clone(), to.clone()));
            }
        }
    }
    arrows.into_iter().collect()
}

/// The tier of a module, counted from the simplest; one above them all for a module without.
fn tier(layers: &Layers, module: &str) -> usize {
    layers.tiers.iter().position(|tier| tier.contains(&module)).unwrap_or(layers.tiers.len())
}

#[test]
fn imports_inside_the_overlay_point_to_the_simpler_module() {
    assert_none(&arrows_back(&source_files(), &OVERLAY));
}

#[test]
fn imports_inside_the_management_plane_point_to_the_simpler_module() {
    assert_none(&arrows_back(&source_files(), &MGMT_SERVICE));
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let files = source_files();
    for folder in ["overlay/src/", "mgmt-service/src/", "rendezvous/src/", "im-app/src/"] {
        assert_none(&circles(&files, folder));
    }
}

#[test]
fn an_arrow_that_points_back_is_caught() {
    let lib = SourceFile::new("overlay/src/lib.rs", "//! .\npub use peer::Peer;\n");
    let samples = [
        "use crate::net::EventLoop;",
        "use crate::{id::GroupId, net::event_loop};",
        "use super::super::peer::Peer;",
        "use crate::Peer;",
        "fn f() -> crate::group::PeerGroup {}",
    ];
    for sample in samples {
        let file = SourceFile::new("overlay/src/core/lease.rs", sample);
        let lib = SourceFile::new(&lib.path, &lib.text);
        assert_eq!(arrows_back(&[lib, file], &OVERLAY).len(), 1, "{sample}");
    }
}

#[test]
fn an_arrow_that_points_down_or_stands_in_a_test_is_fine() {
    let code = "use crate::id::GroupId;\nuse super::deadlines::Deadlines;\n#[cfg(test)]\nmod tests { use crate::net::X; }";
    assert_none(&arrows_back(&[SourceFile::new("overlay/src/core/lease.rs", code)], &OVERLAY));
}

#[test]
fn a_module_without_a_place_in_the_order_is_caught() {
    let file = |folder: &str| SourceFile::new(&format!("{folder}util/mod.rs"), "use crate::limits::X;");
    assert_eq!(arrows_back(&[file("overlay/src/")], &OVERLAY).len(), 1);
    assert_none(&arrows_back(&[file("mgmt-service/src/")], &MGMT_SERVICE));
    let upward = SourceFile::new("mgmt-service/src/arm/agent.rs", "use crate::net::Agent;");
    assert_eq!(arrows_back(&[upward], &MGMT_SERVICE).len(), 1);
}

#[test]
fn a_circle_is_caught() {
    let files = [
        SourceFile::new("im-app/src/roster.rs", "use crate::presence::Status;"),
        SourceFile::new("im-app/src/presence/poller.rs", "use crate::roster::Roster;"),
        SourceFile::new("im-app/src/cli.rs", "use crate::text::Wrap;"),
    ];
    let found = circles(&files, "im-app/src/");
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with("presence, roster"), "{}", found[0]);
}
