//! How long questions to a registry of 100,000 objects take: `cargo run --release -p mgmt-service --example objects_query`.
#![expect(clippy::disallowed_methods, reason = "a program reads the clock")]

use std::sync::Arc;
use std::time::Instant;

use mgmt_service::jmx::{BeanServer, ManagedBean, ObjectName};
use mgmt_service::limits::{GET_LOOKS_MAX, GET_PAGE_BEANS_MAX};

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
    let hostile = format!("*:corr={}x,*", "*0".repeat(400));
    let patterns = [
        "records:dest=peer7,corr=0000000000000007",
        "*:dest=peer7,*",
        "records:dest=peer7,corr=*f*",
        "juxta:*",
        "*:*",
        "*:dest=*,*",
        // No index knows these: each page looks at as many objects as it may.
        "*:corr=*beef*,*",
        hostile.as_str(),
    ];
    for pattern in patterns {
        let parsed = pattern.parse()?;
        let mut found = 0;
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let started = Instant::now();
                let page = beans.query_bounded(&parsed, 0, GET_PAGE_BEANS_MAX + 1, GET_LOOKS_MAX);
                found = page.found.len();
                started.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times.get(ROUNDS * share / 100).copied().unwrap_or_default();
        println!("{pattern:<42.42} {found:>5} found   p50 {:>8.1} us   p99 {:>8.1} us", at(50), at(99));
    }
    Ok(())
}
