//! The manifests: dependencies between our crates run one way, versions stand in one place, lints are on.

use toml::Table;

use crate::workspace::{CRATES, assert_none, read};

/// The kinds of dependency tables.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Every breach in the manifest of crate `name`.
fn breaches(name: &str, manifest: &str) -> Vec<String> {
    let manifest: Table = manifest.parse().unwrap();
    let rank = |name: &str| CRATES.iter().position(|other| *other == name);
    let mut violations = Vec::new();
    for (dependency, spec) in dependencies(&manifest) {
        if rank(&dependency) >= rank(name) && rank(&dependency).is_some() {
            violations.push(format!("{name}: may not depend on {dependency}, which stands above it"));
        }
        let inherited = spec.get("workspace").and_then(toml::Value::as_bool) == Some(true);
        if !inherited {
            violations
                .push(format!("{name}: {dependency} must be `workspace = true`; versions stand in the root"));
        }
    }
    // Test code may unwrap and read clocks, so `tests` has lints of its own.
    let lints = manifest.get("lints").and_then(toml::Value::as_table);
    let inherits = lints.and_then(|lints| lints.get("workspace")).is_some();
    if lints.is_none() || (name != "tests" && !inherits) {
        violations.push(format!("{name}: the lints of the workspace are not on"));
    }
    violations
}

/// Every dependency of a manifest, those for one platform too.
fn dependencies(manifest: &Table) -> Vec<(String, toml::Value)> {
    let platforms = manifest.get("target").and_then(toml::Value::as_table);
    let platforms =
        platforms.into_iter().flat_map(|targets| targets.values()).filter_map(toml::Value::as_table);
    std::iter::once(manifest)
        .chain(platforms)
        .flat_map(|table| DEPENDENCIES.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .flat_map(|table| table.iter().map(|(name, spec)| (name.clone(), spec.clone())))
        .collect()
}

#[test]
fn dependencies_run_one_way_and_take_their_version_from_the_root() {
    for name in CRATES {
        assert_none(&breaches(name, &read(&format!("{name}/Cargo.toml"))));
    }
}

#[test]
fn the_workspace_has_just_these_crates() {
    let root: Table = read("Cargo.toml").parse().unwrap();
    let members = root["workspace"]["members"].as_array().unwrap();
    let members: Vec<&str> = members.iter().filter_map(toml::Value::as_str).collect();
    assert_eq!(members, CRATES);
}

#[test]
fn each_breach_in_a_manifest_is_caught() {
    let lints = "[lints]\nworkspace = true\n";
    for (name, manifest) in [
        ("overlay", format!("{lints}[dependencies]\nrendezvous.workspace = true\n")),
        ("overlay", format!("{lints}[dev-dependencies]\ntests.workspace = true\n")),
        ("rendezvous", format!("{lints}[target.'cfg(unix)'.dependencies]\nim-app.workspace = true\n")),
        ("overlay", format!("{lints}[dependencies]\nserde = \"1\"\n")),
        (
            "overlay",
            format!("{lints}[dependencies]\nserde = {{ version = \"1\", features = [\"derive\"] }}\n"),
        ),
        ("im-app", format!("{lints}[dependencies]\noverlay = {{ path = \"../overlay\" }}\n")),
        ("im-app", "[dependencies]\noverlay.workspace = true\n".to_owned()),
        ("im-app", "[lints.rust]\nunsafe_code = \"forbid\"\n".to_owned()),
        ("tests", "[dependencies]\noverlay.workspace = true\n".to_owned()),
    ] {
        let found = breaches(name, &manifest);
        assert_eq!(found.len(), 1, "{manifest}: {found:?}");
    }
    assert_none(&breaches(
        "rendezvous",
        &format!("{lints}[dependencies]\noverlay = {{ workspace = true }}\n"),
    ));
}
