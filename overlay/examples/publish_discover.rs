//! Publish an advertisement with attributes; find those that answer a query.
//!
//! `cargo run -p overlay --example publish_discover -- RENDEZVOUS publish NAME [ATTRIBUTE=VALUE…]` publishes until Ctrl-C.
//! `… -- RENDEZVOUS discover 'name="print*" pages<=100 or color'` prints what it finds.
//! RENDEZVOUS is an address that `rendezvous run` prints.

use std::error::Error;
use std::time::Duration;

use futures::StreamExt;
use overlay::{Advertisement, AdvertisementKind, DiscoveryQuery, Genesis, Lifetime, Peer, Value};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rendezvous, command, words @ ..] = arguments.as_slice() else {
        return Err(
            "arguments: RENDEZVOUS publish NAME [ATTRIBUTE=VALUE…] or RENDEZVOUS discover QUERY".into()
        );
    };
    let peer = Peer::builder()
        .listen("/ip4/127.0.0.1/tcp/0".parse()?)
        .rendezvous(rendezvous.parse()?)
        .spawn()
        .await?;
    peer.wait_leased(Duration::from_secs(30)).await?;
    let group = peer.join(&Genesis::open("devices"));
    match (command.as_str(), words) {
        ("publish", [name, attributes @ ..]) => {
            let named =
                Advertisement::new(AdvertisementKind::Resource).key(name).attribute("name", name.as_str());
            let advertisement =
                attributes.iter().fold(named, |advertisement, word| match word.split_once('=') {
                    Some((name, text)) => advertisement.attribute(name, value(text)),
                    None => advertisement.attribute(word, true),
                });
            // While this peer lives it renews; others forget it a minute after it died.
            let lifetime = Lifetime::while_alive(Duration::from_secs(60));
            let published = group.publish(advertisement, lifetime).await?;
            println!("published {}, held by {} rendezvous", published.id, published.acknowledged_by);
            tokio::signal::ctrl_c().await?;
            group.withdraw(published.id).await?;
        }
        ("discover", [query]) => {
            let query: DiscoveryQuery = query.parse()?;
            let mut found = group.discover(query.kind(AdvertisementKind::Resource));
            while let Some(signed) = found.next().await {
                println!("{} by {}", signed.advertisement().text("name").unwrap_or("?"), signed.publisher());
            }
        }
        _ => return Err("commands: publish NAME [ATTRIBUTE=VALUE…], discover QUERY".into()),
    }
    peer.shutdown().await;
    Ok(())
}

/// A number where the text is one, else the text.
fn value(text: &str) -> Value {
    text.parse::<i64>()
        .map(Value::from)
        .or_else(|_| text.parse::<f64>().map(Value::Float))
        .or_else(|_| text.parse::<bool>().map(Value::from))
        .unwrap_or_else(|_| Value::from(text))
}
