//! Requests and answers as `jolokia.js` and `curl` write and read them.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{JolokiaRequest, Operation, answer, listing, reading};
use crate::protocol::{BeanSnapshot, Described, DescribedAttribute, DescribedOperation};

fn bean(name: &str) -> BeanSnapshot {
    let attributes = vec![("sent".into(), 3_i64.into()), ("state".into(), "up".into())];
    BeanSnapshot { name: name.parse().unwrap(), attributes, truncated: false }
}

fn read(request: &Value, beans: &[BeanSnapshot]) -> Value {
    let result = JolokiaRequest::from_json(request).and_then(|request| match request.operation {
        Operation::Read { wanted, attributes, alone, path } => {
            let wanted_alone: Vec<BeanSnapshot> = beans
                .iter()
                .filter(|bean| wanted.pattern.matches(&bean.name))
                .map(|bean| {
                    let mut bean = bean.clone();
                    bean.attributes.retain(|(name, _)| attributes.is_empty() || attributes.contains(name));
                    bean
                })
                .collect();
            reading(&wanted, &wanted_alone, &attributes, alone, &path)
        }
        other => panic!("{other:?}"),
    });
    answer(7, request, result)
}

#[test]
fn one_attribute_is_its_value_several_are_a_table_a_pattern_is_a_table_by_name() {
    let beans = [bean("juxta:type=agent"), bean("juxta:type=overlay")];
    let one = read(&json!({"type": "read", "mbean": "juxta:type=agent", "attribute": "sent"}), &beans);
    assert_eq!((&one["value"], &one["status"], &one["timestamp"]), (&json!(3), &json!(200), &json!(7)));
    let all = read(&json!({"type": "READ", "mbean": "juxta:type=agent"}), &beans);
    assert_eq!(all["value"], json!({"sent": 3, "state": "up"}));
    let many = read(&json!({"type": "read", "mbean": "juxta:*", "attribute": ["state"]}), &beans);
    assert_eq!(many["value"]["juxta:type=overlay"], json!({"state": "up"}));
    let inner = read(&json!({"type": "read", "mbean": "juxta:type=agent", "path": "state"}), &beans);
    assert_eq!(inner["value"], json!("up"));
}

#[test]
fn what_is_not_there_is_told_as_java_would() {
    let beans = [bean("juxta:type=agent")];
    for (request, kind) in [
        (json!({"type": "read", "mbean": "juxta:type=x"}), "InstanceNotFoundException"),
        (json!({"type": "read", "mbean": "x:*"}), "InstanceNotFoundException"),
        (
            json!({"type": "read", "mbean": "juxta:type=agent", "attribute": "x"}),
            "AttributeNotFoundException",
        ),
        (json!({"type": "read", "mbean": "nonsense"}), "IllegalArgumentException"),
        (json!({"type": "read"}), "IllegalArgumentException"),
        (json!({"type": "notification"}), "UnsupportedOperationException"),
        (json!([]), "IllegalArgumentException"),
    ] {
        let answer = read(&request, &beans);
        assert!(answer["error_type"].as_str().unwrap().ends_with(kind), "{answer}");
        assert!(answer["status"].as_u64().unwrap() >= 400 && answer.get("value").is_none());
    }
}

#[test]
fn a_path_names_what_json_names() {
    let from_path = JolokiaRequest::from_path("read/juxta:path=a!/b,type=x/sent").unwrap();
    let json = json!({"type": "read", "mbean": "juxta:path=a/b,type=x", "attribute": "sent"});
    assert_eq!(from_path, JolokiaRequest::from_json(&json).unwrap());
    let list = JolokiaRequest::from_path("list/juxta/type=agent").unwrap();
    assert_eq!(list.operation, Operation::List { path: vec!["juxta".into(), "type=agent".into()] });
    assert_eq!(JolokiaRequest::from_path("write/juxta:type=agent/sent/4").unwrap_err().status, 403);
    assert_eq!(JolokiaRequest::from_path("exec/juxta:type=agent/stop").unwrap_err().status, 403);
}

#[test]
fn a_target_is_a_peer_with_or_without_our_scheme() {
    for target in [json!({"url": "juxta:alice"}), json!({"url": "alice"}), json!("alice")] {
        let request = JolokiaRequest::from_json(&json!({"type": "version", "target": target})).unwrap();
        assert_eq!(request.target.as_deref(), Some("alice"));
    }
    assert_eq!(JolokiaRequest::from_json(&json!({"type": "version", "target": {}})).unwrap_err().status, 400);
}

#[test]
fn a_list_describes_types_what_can_be_set_and_done_and_follows_a_path() {
    let beans = [bean("juxta:type=agent")];
    let attribute = |name: &str, set| DescribedAttribute { name: name.into(), description: "x".into(), set };
    let described = Described {
        description: "an agent".into(),
        attributes: vec![attribute("sent", None), attribute("state", Some(("text".into(), 3)))],
        operations: vec![DescribedOperation {
            name: "stop".into(),
            description: "ends".into(),
            parameters: vec![("after".into(), "a whole number".into())],
        }],
    };
    let known = HashMap::from([(beans[0].name.clone(), described)]);
    let all = listing(&beans, &known, &[]).unwrap();
    assert_eq!(all["juxta"]["type=agent"]["attr"]["sent"]["type"], json!("long"));
    assert_eq!(all["juxta"]["type=agent"]["op"]["stop"]["args"][0]["name"], json!("after"));
    let path = ["juxta", "type=agent", "attr"].map(str::to_owned);
    assert_eq!(listing(&beans, &known, &path).unwrap()["state"]["rw"], json!(true));
    assert_eq!(listing(&beans, &HashMap::new(), &path).unwrap()["state"]["rw"], json!(false));
    assert_eq!(listing(&beans, &known, &["x".to_owned()]).unwrap_err().status, 404);
}

proptest! {
    #[test]
    fn any_path_is_a_request_or_an_error(path: String) {
        let _ = JolokiaRequest::from_path(&path);
        let _ = JolokiaRequest::from_json(&json!({"type": "read", "mbean": path, "path": path}));
    }
}
