//! What the operations server answers, asked over real sockets on loopback.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::counters::{Counters, Row};

struct Fixed(Counters);

impl Measured for Fixed {
    fn rows(&self) -> Vec<Row> {
        self.0.rows()
    }

    fn meters(&self) -> Vec<(&'static str, u64)> {
        vec![("connections", 3)]
    }

    fn started_s(&self) -> f64 {
        1.5
    }

    fn uptime_s(&self) -> f64 {
        2.5
    }
}

fn measured() -> Arc<dyn Measured> {
    let counters = Counters::default();
    counters.leases.set(4);
    counters.lookups.add(9);
    counters.refused_too_many.add(2);
    Arc::new(Fixed(counters))
}

async fn serving(readiness: &Readiness) -> HttpServer {
    serve("127.0.0.1:0".parse().unwrap(), measured(), readiness.clone()).await.unwrap()
}

async fn ask(server: &HttpServer, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn address_that_others_could_reach_is_refused() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = serve(address.parse().unwrap(), measured(), Readiness::default()).await;
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("loopback"), "{message}");
    }
}

#[tokio::test]
async fn taken_address_is_an_error_that_names_it() {
    let first = serving(&Readiness::default()).await;
    let second = serve(first.address(), measured(), Readiness::default()).await;
    assert!(second.unwrap_err().to_string().contains(&first.address().to_string()));
}

#[tokio::test]
async fn readyz_follows_readiness_and_healthz_does_not() {
    let readiness = Readiness::default();
    let server = serving(&readiness).await;
    assert!(ask(&server, "/readyz", "").await.starts_with("HTTP/1.1 503"));
    assert!(ask(&server, "/healthz", "").await.starts_with("HTTP/1.1 200"));
    readiness.set(true);
    assert!(ask(&server, "/readyz", "").await.starts_with("HTTP/1.1 200"));
    assert!(ask(&server, "/elsewhere", "").await.starts_with("HTTP/1.1 404"));
    server.shutdown().await;
}

#[tokio::test]
async fn metrics_without_a_wish_are_prometheus_text() {
    let server = serving(&Readiness::default()).await;
    let answer = ask(&server, "/metrics", "Accept: text/plain;version=0.0.4\r\n").await;
    for expected in [
        "content-type: text/plain; version=0.0.4; charset=utf-8\r\n",
        "\n# TYPE juxta_rendezvous_leases gauge\njuxta_rendezvous_leases 4\n",
        "\n# HELP juxta_rendezvous_lookups_total Lookups answered",
        "\n# TYPE juxta_rendezvous_lookups_total counter\njuxta_rendezvous_lookups_total 9\n",
        "\njuxta_rendezvous_refused_total{reason=\"too_many\"} 2\n",
        "\n# TYPE juxta_overlay_connections untyped\njuxta_overlay_connections 3\n",
        "\nprocess_start_time_seconds 1.5\n",
        "\njuxta_uptime_seconds 2.5\n",
    ] {
        assert!(answer.contains(expected), "{expected:?} is not in {answer}");
    }
    assert!(!answer.contains("# EOF") && !answer.contains("# UNIT"), "{answer}");
}

#[tokio::test]
async fn metrics_are_openmetrics_when_wished() {
    let server = serving(&Readiness::default()).await;
    let accept =
        "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2\r\n";
    let answer = ask(&server, "/metrics", accept).await;
    for expected in [
        "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n",
        "\n# TYPE juxta_rendezvous_lookups counter\njuxta_rendezvous_lookups_total 9\n",
        "\n# TYPE juxta_overlay_connections unknown\n",
    ] {
        assert!(answer.contains(expected), "{expected:?} is not in {answer}");
    }
    assert!(answer.ends_with("# EOF\n"), "{answer}");
}

#[tokio::test]
async fn rebound_name_of_a_foreign_page_is_forbidden() {
    let server = serving(&Readiness::default()).await;
    for (host, status) in [
        ("evil.example", 403),
        ("evil.example:9464", 403),
        ("127.0.0.1:9464", 200),
        ("localhost", 200),
        ("[::1]:1", 200),
    ] {
        let answer = ask(&server, "/healthz", &format!("Host: {host}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
    }
}
