//! Promise: `rendezvous run --json` says first where it can be reached, and its pages say how it is.

use std::io::{Read, Write};
use std::net::TcpStream;

use tests::{Home, Meeting, Process, Program, loopback};

/// Answers of the rendezvous over HTTP: the status line and the body.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// A rendezvous with HTTP on any port.
fn with_http(home: &Home) -> Process {
    let program = Program::new("rendezvous", home).args(["run", "--json", "--http", "127.0.0.1:0"]);
    program.args(loopback()).data_dir(&home.join("rendezvous")).start()
}

#[test]
fn the_first_line_holds_addresses_that_can_be_handed_on_as_they_are() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let first: serde_json::Value = serde_json::from_str(&meeting.line_number(0)).unwrap();
    assert_eq!(first, meeting.ready, "nothing comes before `ready`");
    let peer_id = first["peer_id"].as_str().unwrap();
    let addresses = first["addresses"].as_array().unwrap();
    assert!(!addresses.is_empty());
    for address in addresses {
        let address = address.as_str().unwrap();
        assert!(address.starts_with("/ip4/127.0.0.1/tcp/"), "{address}");
        assert!(address.ends_with(&format!("/p2p/{peer_id}")), "{address}");
        assert!(!address.contains("/tcp/0/"), "{address}");
    }
    meeting.into_process().kill();
    let again = Meeting::start(&home, "rendezvous");
    assert_eq!(again.ready["peer_id"], peer_id, "it keeps its identity");
}

#[test]
fn its_pages_say_that_it_lives_is_ready_and_what_it_counts() {
    let home = Home::new();
    let rendezvous = with_http(&home);
    let ready = rendezvous.event("ready", |event| event["event"] == "ready");
    let http = ready["http"].as_str().unwrap();
    for page in ["/healthz", "/readyz"] {
        assert!(get(http, page).0.contains(" 200 "), "{page}");
    }
    let (status, metrics) = get(http, "/metrics");
    assert!(status.contains(" 200 "));
    assert!(metrics.contains("# TYPE "), "{metrics}");
    assert!(get(http, "/nothing").0.contains(" 404 "));
}
