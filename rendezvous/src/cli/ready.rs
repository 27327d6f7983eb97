//! The first words of `rendezvous run`: where peers reach it.
//!
//! In: the peer and its HTTP address. Out: one JSON line as CONTRACT has it, or lines for people to paste from.

use std::fmt::Write;
use std::net::SocketAddr;

use mgmt_service::cli_common::CliError;
use overlay::Peer;
use serde::Serialize;

/// What is there to be known at the start; the fields stand in the order of CONTRACT.
#[derive(Debug, Serialize)]
pub(super) struct Ready {
    event: &'static str,
    peer_id: String,
    /// Complete: each can be handed to `--rendezvous` as it is.
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<SocketAddr>,
}

impl Ready {
    pub(super) fn of(peer: &Peer, http: Option<SocketAddr>) -> Self {
        let addresses = peer.addresses().iter().map(ToString::to_string).collect();
        Self { event: "ready", peer_id: peer.id().to_string(), addresses, http }
    }

    pub(super) fn json(&self) -> Result<String, CliError> {
        Ok(format!("{}\n", serde_json::to_string(self).map_err(CliError::failed)?))
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::from("The rendezvous is ready. Peers reach it at:\n");
        for address in &self.addresses {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {address}");
        }
        if let Some(address) = self.addresses.first() {
            let _ = writeln!(text, "To chat through it:\n  im --rendezvous {address}");
        }
        if let Some(http) = self.http {
            let _ = writeln!(text, "Operations: http://{http}/healthz /readyz /metrics");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(http: Option<&str>) -> Ready {
        let address = |host| format!("/ip4/{host}/tcp/4001/p2p/12D3");
        Ready {
            event: "ready",
            peer_id: "12D3".to_owned(),
            addresses: vec![address("192.0.2.7"), address("127.0.0.1")],
            http: http.map(|http| http.parse().unwrap()),
        }
    }

    #[test]
    fn json_is_the_line_of_the_contract() {
        assert_eq!(
            ready(Some("127.0.0.1:9464")).json().unwrap(),
            "{\"event\":\"ready\",\"peer_id\":\"12D3\",\"addresses\":[\"/ip4/192.0.2.7/tcp/4001/p2p/12D3\",\
             \"/ip4/127.0.0.1/tcp/4001/p2p/12D3\"],\"http\":\"127.0.0.1:9464\"}\n"
        );
        assert!(!ready(None).json().unwrap().contains("http"));
    }

    #[test]
    fn text_gives_every_address_and_the_line_to_paste() {
        let text = ready(None).text();
        assert!(text.contains("\n  /ip4/127.0.0.1/tcp/4001/p2p/12D3\n"), "{text}");
        assert!(text.ends_with("\n  im --rendezvous /ip4/192.0.2.7/tcp/4001/p2p/12D3\n"), "{text}");
    }
}
