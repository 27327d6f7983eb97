//! The registry's promises: names are given once, pages are whole, the index agrees with a plain scan.

use proptest::prelude::*;

use super::super::counter_bean::CounterBean;
use super::*;

fn bean() -> Arc<dyn DynamicBean> {
    Arc::new(CounterBean::new("nothing", Vec::new))
}

fn name(text: &str) -> ObjectName {
    text.parse().unwrap()
}

fn pattern(text: &str) -> ObjectNamePattern {
    text.parse().unwrap()
}

fn names(server: &BeanServer, text: &str) -> Vec<String> {
    server.query(&pattern(text)).into_iter().map(|(name, _)| name.to_string()).collect()
}

#[test]
fn an_object_is_there_as_long_as_its_registration() {
    let server = BeanServer::new();
    let first = server.register(name("p:type=a"), bean()).unwrap();
    let second = server.register(name("p:type=b"), bean()).unwrap();
    assert_eq!(names(&server, "p:*"), ["p:type=a", "p:type=b"]);
    drop(first);
    assert_eq!(names(&server, "p:*"), ["p:type=b"]);
    assert!(server.get(&name("p:type=a")).is_none() && server.get(&name("p:type=b")).is_some());
    second.unregister();
    assert!(server.is_empty() && server.read().index.is_empty());
}

#[test]
fn a_name_is_given_once_and_the_table_is_bounded() {
    let server = BeanServer::with_capacity_max(2);
    let _one = server.register(name("p:n=1"), bean()).unwrap();
    assert!(matches!(server.register(name("p:n=1"), bean()), Err(RegisterError::NameTaken { .. })));
    let two = server.register(name("p:n=2"), bean()).unwrap();
    assert!(matches!(server.register(name("p:n=3"), bean()), Err(RegisterError::Full { max: 2 })));
    assert_eq!(server.counters(), [("beans", 2), ("beans_registered", 2), ("beans_refused", 2)]);
    two.unregister();
    let _three = server.register(name("p:n=3"), bean()).unwrap();
}

#[test]
fn pages_skip_and_repeat_nothing_while_objects_come_and_go() {
    let server = BeanServer::new();
    let mut held: Vec<_> =
        (0..10).map(|n| server.register(name(&format!("p:n={n}")), bean()).unwrap()).collect();
    let first = server.query_page(&pattern("p:*"), 0, 4);
    held.drain(..3);
    let _late = server.register(name("p:n=late"), bean()).unwrap();
    let rest = server.query_page(&pattern("p:*"), first.last().unwrap().serial, 100);
    let seen: Vec<_> =
        first.iter().chain(&rest).map(|found| found.name.key("n").unwrap().to_owned()).collect();
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "late"]);
}

#[test]
fn a_selective_query_looks_at_few_of_a_hundred_thousand() {
    let server = BeanServer::new();
    let held: Vec<_> = (0..BEANS_MAX)
        .map(|n| {
            let text = format!("peer{}:dest=buddy{},corr={n:016x}", n % 1_000, n % 100);
            server.register(name(&text), bean()).unwrap()
        })
        .collect();
    let registry = server.read();
    for (text, looked_at, found) in [
        ("peer7:*", 100, 100),
        ("*:dest=buddy7,*", 1_000, 1_000),
        ("peer7:dest=buddy7,*", 100, 100),
        ("*:corr=00000000000000ff,*", 1, 1),
        ("peer7:dest=*,corr=00000000000000?7", 100, 1),
        ("*:type=*,*", 0, 0),
        ("nobody:*", 0, 0),
    ] {
        let pattern = pattern(text);
        let looked = match registry.smallest_set(&pattern) {
            Candidates::All => registry.beans.len(),
            Candidates::Nobody => 0,
            Candidates::These(serials) => serials.len(),
        };
        assert_eq!(looked, looked_at, "{text}");
        assert_eq!(registry.page(&pattern, 0, usize::MAX, usize::MAX).found.len(), found, "{text}");
    }
    drop(registry);
    drop(held);
    assert!(server.is_empty());
}

#[test]
fn a_bounded_query_finds_all_in_pages_that_each_look_at_few() {
    let server = BeanServer::new();
    let held: Vec<_> =
        (0..100).map(|n| server.register(name(&format!("p:n={n}")), bean()).unwrap()).collect();
    let (mut after, mut seen, mut pages) = (0, Vec::new(), 0);
    loop {
        let page = server.query_bounded(&pattern("*:n=*7,*"), after, 2, 30);
        seen.extend(page.found.into_iter().map(|found| found.name.to_string()));
        pages += 1;
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!((seen.len(), seen[9].as_str()), (10, "p:n=97"));
    assert!((4..=6).contains(&pages), "{pages}");
    assert!(server.query_bounded(&pattern("*:n=none*,*"), 0, 2, 30).next.is_some(), "an empty page goes on");
    drop(held);
}

#[test]
fn names_hold_the_texts_that_they_have_in_common_once() {
    let server = BeanServer::new();
    let texts = ["peer:dest=buddy,corr=1", "peer:dest=buddy,corr=2"];
    let _held = texts.map(|text| server.register(name(text), bean()).unwrap());
    let [(first, _), (second, _)] = server.query(&pattern("*:*")).try_into().unwrap_or_else(|_| panic!());
    assert!(Arc::ptr_eq(first.shared_domain(), second.shared_domain()));
    let same = |at: usize| {
        let [one, two] = [&first, &second].map(|name| &name.shared_keys()[at]);
        (Arc::ptr_eq(&one.0, &two.0), Arc::ptr_eq(&one.1, &two.1))
    };
    assert_eq!((same(0), same(1)), ((true, false), (true, true)));
}

proptest! {
    #[test]
    fn the_index_answers_as_a_scan_would(
        objects in proptest::collection::btree_set(("[ab]", "[ab]{0,2}", "[cd]"), 0..20),
        gone in proptest::collection::vec(any::<bool>(), 20),
        asked in prop_oneof!["[ab*?]:x=[ab*?]{1,2}", "[ab*?]:x=[ab*?],\\*", "[ab*?]:y=[cd*],x=[ab*]", "\\*:\\*"],
    ) {
        let server = BeanServer::new();
        let mut held = Vec::new();
        for (index, (domain, x, y)) in objects.iter().enumerate() {
            let name = ObjectName::new(domain, [("x", x), ("y", y)]).unwrap();
            let registration = server.register(name.clone(), bean()).unwrap();
            if !gone[index] {
                held.push((name, registration));
            }
        }
        let pattern = pattern(&asked);
        let scanned: Vec<_> =
            held.iter().map(|(name, _)| name).filter(|name| pattern.matches(name)).cloned().collect();
        let found: Vec<_> = server.query(&pattern).into_iter().map(|(name, _)| name).collect();
        prop_assert_eq!(found, scanned);
    }
}
