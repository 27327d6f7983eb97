//! A foreign application made manageable: `cargo run -p mgmt-service --example manageable -- RENDEZVOUS [TICKET]`.
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use mgmt_service::jmx::{AttributeValue, BeanServer, ManagedBean, ValueType};
use mgmt_service::{ManagePolicy, net::ManagementAgent};
use overlay::Peer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("name a rendezvous")?.parse()?;
    let policy = std::env::args().nth(2).map_or(Ok(ManagePolicy::Open), |ticket| ticket.parse())?;
    let peer = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse()?).rendezvous(address).spawn().await?;
    let (beans, workers) = (BeanServer::new(), Arc::new(AtomicI64::new(4)));
    let (shown, range) = (workers.clone(), ValueType::Int { min: 1, max: 64 });
    let set = move |value| {
        let AttributeValue::Int(count) = value else { return Err("a number".to_owned()) };
        workers.store(count, Relaxed);
        Ok(())
    };
    let bean = ManagedBean::new("a foreign application")
        .sets("workers", "threads that work", range, move || shown.load(Relaxed), set)
        .does("greet", "says hello", [], |_| async { Ok("hello".into()) });
    let _registered = beans.register("shop:type=pool".parse()?, Arc::new(bean))?;
    let agent = ManagementAgent::start(&peer, "shop", None, beans, &policy, ".".as_ref()).await?;
    tokio::signal::ctrl_c().await?;
    agent.shutdown().await;
    Ok(())
}
