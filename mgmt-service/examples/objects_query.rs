//! How long questions to a registry of 100,000 objects take: `cargo run --release -p mgmt-service --example objects_query`.
#![expect(clippy::disallowed_methods, reason = "a program reads the clock")]

use std::sync::Arc;
use std::time::Instant;

use mgmt_service::jmx::{BeanServer, ManagedBean, ObjectName};

const OBJECTS: usize = 100_000;
const ROUNDS: usize = 201;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (beans, bean) = (BeanServer::new(), Arc::new(ManagedBean::new("one of many")));
    let mut registered = Vec::new();
    for n in 0..OBJECTS {
        let (dest, corr) = (format!("peer{}", n % 1000), format!("{n:016x}"));
        let name = ObjectName::new("records", [("dest", dest), ("corr", corr)])?;
        registered.push(beans.register(name, bean.clone())?);
    }
    let patterns = [
        "records:dest=peer7,corr=0000000000000007",
        "*:dest=peer7,*",
        "records:dest=peer7,corr=*f*",
        "juxta:*",
    ];
    for pattern in patterns {
        let parsed = pattern.parse()?;
        let mut found = 0;
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let started = Instant::now();
                found = beans.query_page(&parsed, 0, 1025).len();
                started.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times.get(ROUNDS * share / 100).copied().unwrap_or_default();
        println!("{pattern:<42} {found:>5} found   p50 {:>8.1} us   p99 {:>8.1} us", at(50), at(99));
    }
    Ok(())
}
