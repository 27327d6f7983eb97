//! What conditions promise: what they hold for, and that no peer can make them deep, many or large.

use super::*;

fn attributes() -> BTreeMap<String, Value> {
    let attributes = [
        ("name", Value::from("chat-1")),
        ("load", Value::from(0.25)),
        ("slots", Value::from(4)),
        ("busy", false.into()),
    ];
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[test]
fn each_kind_holds_for_what_it_says() {
    let (below, yes) = (Condition::below("load", 1), Condition::exists("busy"));
    let no = Condition::equals("name", "chat");
    let hold = [
        Condition::equals("slots", 4.0),
        Condition::glob("name", "chat-?"),
        below.clone(),
        Condition::at_most("slots", 4),
        Condition::above("name", "chat"),
        Condition::at_least("load", 0.25),
        yes.clone(),
        Condition::all([below, yes.clone()]),
        Condition::any([no.clone(), yes.clone()]),
        !no.clone(),
        Condition::all([]),
    ];
    hold.iter().for_each(|condition| assert!(condition.holds(&attributes()), "{condition:?}"));
    let fail = [
        no.clone(),
        Condition::glob("slots", "*"),
        Condition::below("slots", 4),
        Condition::above("name", 0),
        Condition::below("busy", true),
        Condition::at_least("missing", 0),
        Condition::exists("missing"),
        Condition::all([yes.clone(), no.clone()]),
        Condition::any([]),
        !yes,
    ];
    fail.iter().for_each(|condition| assert!(!condition.holds(&attributes()), "{condition:?}"));
}

#[test]
fn an_unknown_kind_is_told_by_its_number_even_inside_another() {
    let later = WireCondition(900, Bytes::from_static(b"later"));
    let inside = WireCondition(NOT, body(&later).unwrap());
    for wire in [later, inside] {
        assert_eq!(from_wire(&[wire]), Err(WireError::UnknownKind { got: 900 }));
    }
}

#[test]
fn too_many_too_deep_and_too_long_are_refused_both_ways() {
    let leaf = Condition::exists("x");
    let many = Condition::any(vec![leaf.clone(); CONDITIONS_MAX]);
    let deep = (0..=CONDITION_DEPTH_MAX).fold(leaf.clone(), |inner, _| !inner);
    let long = Condition::glob("x", &"?".repeat(PATTERN_BYTES_MAX + 1));
    let wide = Condition::equals("x", "y".repeat(ATTRIBUTE_BYTES_MAX + 1));
    for condition in [many, deep, long, wide] {
        assert!(matches!(to_wire(std::slice::from_ref(&condition)), Err(WireError::TooLarge { .. })));
        let forged = condition.to_wire().unwrap();
        assert!(matches!(from_wire(&[forged]), Err(WireError::TooLarge { .. })));
    }
}

#[test]
fn nesting_without_end_ends_at_the_bound() {
    let mut nested = Condition::exists("x").to_wire().unwrap();
    for _ in 0..5000 {
        nested = WireCondition(NOT, body(&nested).unwrap());
    }
    assert!(matches!(from_wire(&[nested]), Err(WireError::TooLarge { .. })));
}
