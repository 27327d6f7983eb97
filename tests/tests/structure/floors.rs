//! The floor list of `deny.toml` against a lock file: an independent reading beside cargo-deny's.
//!
//! cargo-deny looks at what is built; this looks at every version that the lock file names, optional ones too.

use toml::Table;

use crate::workspace::{assert_none, read};

/// A crate and the lowest version of it without known holes.
#[derive(Debug)]
struct Floor {
    name: String,
    lowest: [u64; 3],
}

/// The `{ name, version = "<X" }` entries of `[bans] deny`; any other form is an error, for cargo-deny misreads it.
fn floors(deny: &str) -> Result<Vec<Floor>, String> {
    let deny: Table = deny.parse().map_err(|error| format!("{error}"))?;
    let entries = deny["bans"]["deny"].as_array().ok_or("no list of bans")?;
    let mut floors = Vec::new();
    for entry in entries {
        let field = |name: &str| entry.get(name).and_then(toml::Value::as_str);
        let (Some(name), Some(version), Some(_)) = (field("name"), field("version"), field("reason")) else {
            return Err(format!("{entry}: an entry is {{ name, version, reason }}"));
        };
        if let Some(lowest) = version.strip_prefix('<') {
            floors.push(Floor { name: name.to_owned(), lowest: numbers(lowest) });
        } else if !version.starts_with(">=") {
            return Err(format!("{entry}: a version is \"<X\" or \">=X\""));
        }
    }
    Ok(floors)
}

/// Every version in the lock file that lies below its floor.
fn below(floors: &[Floor], lock: &str) -> Vec<String> {
    let lock: Table = lock.parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let mut violations = Vec::new();
    for package in packages {
        let (name, version) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        for floor in floors.iter().filter(|floor| floor.name == name && numbers(version) < floor.lowest) {
            violations.push(format!("{name} {version} is below its floor {:?}", floor.lowest));
        }
    }
    violations
}

/// `1.2.3-rc.1+build` as `[1, 2, 3]`.
fn numbers(version: &str) -> [u64; 3] {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = plain.split('.').map(|part| part.parse().unwrap());
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[test]
fn no_locked_version_lies_below_its_floor() {
    let floors = floors(&read("deny.toml")).unwrap();
    assert!(floors.len() >= 20, "the floor list has shrunk to {}", floors.len());
    assert_none(&below(&floors, &read("Cargo.lock")));
}

#[test]
fn a_version_below_its_floor_is_caught() {
    let floors = floors(&read("deny.toml")).unwrap();
    let bad = below(&floors, &read("tests/fixtures/bad-lock/Cargo.lock"));
    assert_eq!(bad.len(), 1, "{bad:?}");
    for floor in &floors {
        let lock =
            |version: &str| format!("[[package]]\nname = \"{}\"\nversion = \"{version}\"\n", floor.name);
        let [major, minor, patch] = floor.lowest;
        assert_eq!(below(&floors, &lock(&format!("{major}.{minor}.{patch}"))).len(), 0, "{floor:?}");
        assert_eq!(below(&floors, &lock("0.0.1")).len(), 1, "{floor:?}");
    }
}

#[test]
fn the_form_that_cargo_deny_misreads_is_refused() {
    let short = "[bans]\ndeny = [{ crate = \"yamux@<0.13.10\", reason = \"r\" }]";
    let list = |entry: &str| format!("[bans]\ndeny = [{{ name = \"yamux\", {entry}, reason = \"r\" }}]");
    assert!(floors(short).is_err());
    assert!(floors(&list("version = \"0.12\"")).is_err());
    assert_eq!(floors(&list("version = \"<0.13.10\"")).unwrap().len(), 1);
}
