//! Pure modules: no runtime, no swarm, no clock. The caller brings `now` and carries out the effects.

use crate::rust_text::{line_of, word_positions};
use crate::workspace::{SourceFile, assert_none, source_files};

/// Modules, as the start of their paths, whose code takes `now` and an input, and hands out effects.
const PURE: [&str; 9] = [
    "overlay/src/core/",
    "mgmt-service/src/arm/",
    "mgmt-service/src/jmx/",
    "mgmt-service/src/web/",
    "rendezvous/src/lease_table",
    "rendezvous/src/closed_groups",
    "rendezvous/src/index",
    "rendezvous/src/service",
    "rendezvous/src/subscriptions",
];

/// The one thing of tokio that waits without a runtime: how a consumer learns of a record.
const ALLOWED_IN_ARM: &str = "tokio::sync::Notify";

/// Every place in a pure module that names the runtime, the swarm or a clock.
fn impurities(files: &[SourceFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| PURE.iter().any(|module| file.path.starts_with(module))) {
        let code = file.shipped_code();
        let mut report = |at: usize, what: &str| {
            violations.push(format!("{}:{}: pure code names {what}", file.path, line_of(&code, at)));
        };
        for at in word_positions(&code, "tokio") {
            let in_arm = file.path.starts_with("mgmt-service/src/arm/");
            if !(in_arm && code[at..].starts_with(ALLOWED_IN_ARM)) {
                report(at, "tokio");
            }
        }
        word_positions(&code, "Swarm").into_iter().for_each(|at| report(at, "the swarm"));
        code.match_indices("::now(").for_each(|(at, _)| report(at, "a clock"));
    }
    violations
}

#[test]
fn pure_modules_name_no_runtime_no_swarm_and_no_clock() {
    assert_none(&impurities(&source_files()));
}

#[test]
fn impure_code_is_caught() {
    for sample in [
        "use tokio::time::sleep;",
        "use tokio::{sync::Notify, time};",
        "fn f(swarm: &mut Swarm<B>) {}",
        "let now = Instant::now();",
    ] {
        for module in PURE {
            let file = SourceFile::new(&format!("{module}/sample.rs"), sample);
            assert_eq!(impurities(&[file]).len(), 1, "{module}: {sample}");
        }
    }
    let notify = |module: &str| SourceFile::new(&format!("{module}queue.rs"), "use tokio::sync::Notify;");
    assert_none(&impurities(&[notify("mgmt-service/src/arm/")]));
    assert_eq!(impurities(&[notify("overlay/src/core/")]).len(), 1);
}

#[test]
fn tests_of_a_pure_module_may_read_a_clock() {
    let code = "#[cfg(test)]\nmod tests { fn f() { Instant::now(); } }";
    assert_none(&impurities(&[SourceFile::new("overlay/src/core/lease.rs", code)]));
    assert_none(&impurities(&[SourceFile::new("overlay/src/core/lease/tests.rs", "Instant::now();")]));
}
