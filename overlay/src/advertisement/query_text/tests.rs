//! What the text form promises: it says what it seems to, errors name their place, and it survives a round trip.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use crate::advertisement::{AdvertisementKind, Condition, DiscoveryQuery, Value};
use crate::error::ParseQueryError;
use crate::id::GroupId;
use crate::limits::{CONDITION_DEPTH_MAX, CONDITIONS_MAX};
use crate::wire::{decode, encode};

fn parse(text: &str) -> Result<DiscoveryQuery, ParseQueryError> {
    text.parse()
}

fn conditions(text: &str) -> Vec<Condition> {
    parse(text).unwrap().conditions
}

#[test]
fn side_by_side_is_weakest_then_or_then_and_then_not() {
    let is = |name: &str| Condition::exists(name);
    let weakest = Condition::any([is("b"), Condition::all([!is("c"), is("d")])]);
    assert_eq!(conditions("a b or not c and d e"), [is("a"), weakest, is("e")]);
    let grouped = Condition::all([!Condition::any([is("a"), is("b")]), is("c")]);
    assert_eq!(conditions("not (a or b) and c"), [grouped]);
}

#[test]
fn values_are_what_they_look_like() {
    let equals = |text: &str| match conditions(text).remove(0) {
        Condition::Equals { value, .. } => value,
        other => panic!("{other:?}"),
    };
    assert_eq!(equals("x=-7"), Value::Int(-7));
    assert_eq!(equals("x=0.5"), Value::Float(0.5));
    assert_eq!(equals("x=true"), Value::Bool(true));
    assert_eq!(equals("x=inf"), Value::from("inf"));
    assert_eq!(equals("x = 10.1.2.3"), Value::from("10.1.2.3"));
    assert_eq!(equals(r#"x="a \"quote\" and a \*""#), Value::from("a \"quote\" and a *"));
    assert_eq!(equals("x=#5:00ff"), Value::Bytes(Bytes::from_static(b"\x00\xff")));
}

#[test]
fn ranges_patterns_and_inequality_are_short_forms() {
    let range = Condition::all([Condition::at_least("load", 0.2), Condition::below("load", 1)]);
    assert_eq!(conditions("load=0.2..1"), [range]);
    let closed = Condition::all([Condition::at_least("n", "a"), Condition::at_most("n", "b")]);
    assert_eq!(conditions("n=a..=\"b\""), [closed]);
    assert_eq!(conditions("name=chat-*"), [Condition::glob("name", "chat-*")]);
    assert_eq!(conditions("a!=1 b>=2"), [!Condition::equals("a", 1), Condition::at_least("b", 2)]);
}

#[test]
fn fields_of_the_query_stand_beside_its_conditions() {
    let query = parse("kind=service threshold=9 x deadline=250ms").unwrap();
    assert_eq!((query.kind, query.threshold), (Some(AdvertisementKind::Service), 9));
    assert_eq!((query.deadline, query.conditions.len()), (Duration::from_millis(250), 1));
    assert_eq!(conditions("\"kind\"=x"), [Condition::equals("kind", "x")]);
    assert_eq!(parse(""), Ok(DiscoveryQuery::new()));
}

#[test]
fn an_error_names_its_place() {
    let expected = |text: &str| match parse(text) {
        Err(ParseQueryError::Expected { at, expected }) => (at, expected),
        other => panic!("{other:?}"),
    };
    assert_eq!(expected("a or"), (5, "a condition"));
    assert_eq!(expected("ä < "), (5, "a value"));
    assert_eq!(expected("(a b"), (4, "a closing parenthesis"));
    assert_eq!(expected("a=\"b"), (5, "a closing quote"));
    assert_eq!(expected("load<a*"), (6, "a value without wildcards"));
    assert_eq!(expected("a or kind=pipe"), (6, "a condition"));
    assert_eq!(expected("a)"), (2, "a condition"));
    assert_eq!(parse("kind=x"), Err(ParseQueryError::Value { at: 6, what: "kind of advertisement" }));
    assert_eq!(parse("kind=1 kind=2"), Err(ParseQueryError::Twice { at: 8, field: "kind" }));
    assert_eq!(
        parse("a=b kind=nil").unwrap_err().to_string(),
        "read the query: no kind of advertisement at character 10"
    );
}

#[test]
fn text_without_end_is_refused_at_the_bounds() {
    let deep = format!("{}a", "not (".repeat(100_000));
    assert!(matches!(parse(&deep), Err(ParseQueryError::TooDeep { max: CONDITION_DEPTH_MAX, .. })));
    let many = "a ".repeat(CONDITIONS_MAX + 1);
    assert!(matches!(parse(&many), Err(ParseQueryError::TooLarge { .. })));
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,6}".prop_map(Value::from),
        "[ab*?\"\\\\]{0,6}".prop_map(Value::from),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        any::<i16>().prop_map(|number| Value::Float(f64::from(number))),
        any::<bool>().prop_map(Value::Bool),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(|bytes| Value::Bytes(bytes.into())),
        (6u16.., prop::collection::vec(any::<u8>(), 0..4))
            .prop_map(|(kind, bytes)| Value::Other(kind, bytes.into())),
    ]
}

fn attribute() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.]{1,4}", ".{0,4}", Just("kind".to_owned()), Just("or".to_owned())]
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        (attribute(), value()).prop_map(|(name, value)| Condition::equals(name, value)),
        (attribute(), "[ab*?\"\\\\]{0,6}").prop_map(|(name, pattern)| Condition::glob(name, &pattern)),
        (attribute(), value()).prop_map(|(name, value)| Condition::below(name, value)),
        (attribute(), value()).prop_map(|(name, value)| Condition::at_least(name, value)),
        attribute().prop_map(Condition::exists),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Condition::all),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Condition::any),
            inner.prop_map(|condition| !condition),
        ]
    })
}

prop_compose! {
    fn query()(
        kind in prop::option::of(any::<u16>()),
        group in prop::option::of(any::<[u8; 32]>()),
        conditions in prop::collection::vec(condition(), 0..3),
        threshold in 0usize..200,
        nanos in any::<u64>(),
        seconds in 0u64..10,
    ) -> DiscoveryQuery {
        DiscoveryQuery {
            kind: kind.map(AdvertisementKind::from_code),
            group: group.map(GroupId::from_bytes),
            conditions,
            threshold,
            deadline: if seconds > 4 { Duration::from_secs(seconds) } else { Duration::from_nanos(nanos) },
            ..DiscoveryQuery::new()
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back_to_the_same_query(query in query()) {
        let text = query.to_string();
        prop_assert_eq!(text.parse::<DiscoveryQuery>(), Ok(query), "{}", text);
    }

    #[test]
    fn a_query_survives_the_wire(query in query()) {
        let bytes = encode(&query.to_wire().unwrap(), 1 << 16).unwrap();
        let back = DiscoveryQuery::from_wire(decode(&bytes, 1 << 16).unwrap()).unwrap();
        prop_assert_eq!(back, DiscoveryQuery { deadline: DiscoveryQuery::new().deadline, ..query });
    }

    #[test]
    fn any_text_is_a_query_or_an_error(text in "[a-z0-9 ()<>=!.*?#:\"\\\\]{0,40}|.{0,40}") {
        let _ = text.parse::<DiscoveryQuery>();
    }
}
