//! Where the programs are: built by cargo into the directory from which the test itself runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of `im`, `rendezvous` or `mgmt`, built from the source as it is now.
///
/// cargo builds programs for the tests of their own package only, so the first call in a process asks it for all
/// of them: in the same profile and target directory, which takes a moment when nothing has changed.
///
/// # Panics
/// When cargo can't build them, with its words.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    existing(built(), name)
}

/// The path of an example of `overlay`, built from the source as it is now.
///
/// # Panics
/// When cargo can't build the examples, with its words.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    existing(&built().join("examples"), name)
}

fn existing(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "there is no program {}", path.display());
    path
}

/// The profile's folder, with every program and example of the workspace.
fn built() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build)
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test");
    // <target>/<profile folder>/deps/<test>
    let folder = test.ancestors().nth(2).expect("a profile folder").to_path_buf();
    let target = folder.parent().expect("a target directory");
    // Started by hand, without cargo: what is there is used.
    let Some(cargo) = std::env::var_os("CARGO") else {
        return folder;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root of the workspace");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let output = Command::new(cargo)
        .args([
            "build",
            "--workspace",
            "--bins",
            "--examples",
            "--quiet",
            "--profile",
            profile,
            "--target-dir",
        ])
        .arg(target)
        .current_dir(root)
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "cargo build failed:\n{}", String::from_utf8_lossy(&output.stderr));
    folder
}
