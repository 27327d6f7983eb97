//! Promise: every program says in one sentence what is wrong with its command line, and exits with the code for it.

use tests::{Exit, Home, Program, loopback};

/// A port of the loopback on which nobody listens: the discard service, never served on these machines.
const NOBODY: &str = "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";

/// Runs `program` with these arguments in a home of its own.
fn run(program: &str, args: &[&str]) -> Exit {
    Program::new(program, &Home::new()).args(args).run()
}

/// Fails unless the program ended with `code` and one sentence on stderr.
fn assert_one_sentence(exit: &Exit, code: i32, context: &str) {
    assert_eq!(exit.code, Some(code), "{context}: {exit:?}");
    assert_eq!(exit.stderr.trim().lines().count(), 1, "{context}: {}", exit.stderr);
    assert!(
        !exit.stderr.contains("panicked") && !exit.stderr.contains('\u{1b}'),
        "{context}: {}",
        exit.stderr
    );
}

#[test]
fn wrong_usage_is_one_sentence_and_code_2() {
    for (program, args) in [
        ("im", &["dance"][..]),
        ("im", &["--no-such-flag"]),
        ("im", &["--jsonl", "--listen", "here"]),
        ("im", &["--jsonl", "--ping-period", "soon"]),
        ("im", &["send", "bob"]),
        ("im", &["demo", "--peers", "many"]),
        ("rendezvous", &["dance"]),
        ("rendezvous", &["run", "--listen", "here"]),
        ("rendezvous", &["run", "--http", "here"]),
        ("rendezvous", &["run", "--manage", "all"]),
        ("rendezvous", &["run", "--config", "/no/such/file.toml"]),
        ("mgmt", &["dance"]),
        ("mgmt", &["get"]),
        ("mgmt", &["collect", "--for", "ever"]),
        ("mgmt", &["agents", "--rendezvous", "there"]),
    ] {
        assert_one_sentence(&run(program, args), 2, &format!("{program} {args:?}"));
    }
}

#[test]
fn a_configuration_with_an_unknown_key_is_wrong_usage_that_names_it() {
    let home = Home::new();
    let file = home.join("config.toml");
    std::fs::write(&file, "lisen = [\"/ip4/127.0.0.1/tcp/0\"]\n").unwrap();
    for (program, args) in [("rendezvous", &["check-config"][..]), ("im", &["id"]), ("mgmt", &["agents"])] {
        let exit =
            Program::new(program, &home).args(args).args(["--config".as_ref(), file.as_os_str()]).run();
        assert_eq!(exit.code, Some(2), "{program}: {exit:?}");
        assert!(exit.stderr.contains("lisen"), "{program}: {}", exit.stderr);
    }
}

#[test]
fn nobody_at_the_rendezvous_is_code_3() {
    for args in [&["agents"][..], &["get", "alice", "*:*"], &["view"]] {
        let exit = Program::new("mgmt", &Home::new())
            .args(args)
            .args(["--rendezvous", NOBODY])
            .args(loopback())
            .run();
        assert_one_sentence(&exit, 3, &format!("mgmt {args:?}"));
    }
}

#[test]
fn global_flags_count_before_and_after_the_subcommand() {
    for program in ["im", "rendezvous"] {
        let home = Home::new();
        let data = home.join("data").display().to_string();
        let before = Program::new(program, &home).args(["--data-dir", &data, "id"]).run();
        let after = Program::new(program, &home).args(["id", "--data-dir", &data]).run();
        assert_eq!(before.code, Some(0), "{before:?}");
        assert_eq!(before.stdout, after.stdout, "one data directory, one identity");
        assert!(before.stdout.concat().contains("12D3"), "{before:?}");
        assert!(home.join("data").is_dir());
    }
}

#[test]
fn the_environment_stands_in_for_a_flag_and_the_flag_beats_it() {
    let home = Home::new();
    let (by_env, by_flag) = (home.join("env"), home.join("flag"));
    let id = |program: Program| program.env("JUXTA_DATA_DIR", &by_env.display().to_string()).run();
    let env = id(Program::new("im", &home).args(["id"]));
    let flag = id(Program::new("im", &home).args(["id"]).data_dir(&by_flag));
    assert_eq!((env.code, flag.code), (Some(0), Some(0)), "{env:?} {flag:?}");
    assert!(by_env.is_dir() && by_flag.is_dir());
    assert_ne!(env.stdout, flag.stdout, "two data directories, two identities");
}

#[test]
fn every_program_explains_itself() {
    for program in ["im", "rendezvous", "mgmt"] {
        let version = run(program, &["--version"]);
        assert_eq!(version.code, Some(0));
        assert!(version.stdout.concat().contains(env!("CARGO_PKG_VERSION")), "{version:?}");
        let help = run(program, &["--help"]);
        assert_eq!(help.code, Some(0));
        let text = help.stdout.join("\n").to_lowercase();
        assert!(text.contains("example"), "{program} --help shows no example:\n{text}");
        for shell in ["bash", "zsh", "fish"] {
            let completions = run(program, &["completions", shell]);
            assert_eq!(completions.code, Some(0), "{completions:?}");
            assert!(completions.stdout.len() > 10, "{program} {shell}");
        }
        let man = run(program, &["man"]);
        assert_eq!(man.code, Some(0), "{man:?}");
        assert!(man.stdout.iter().any(|line| line.starts_with(".TH")), "{program}");
    }
}

#[test]
fn a_data_directory_belongs_to_one_process() {
    let home = Home::new();
    let data = home.join("data");
    let start = || Program::new("rendezvous", &home).args(["run", "--json"]).args(loopback()).data_dir(&data);
    let first = start().start();
    first.event("ready", |event| event["event"] == "ready");
    assert_one_sentence(&start().run(), 1, "a second process");
}
