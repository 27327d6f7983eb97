//! What a manager and its agents tell each other, names of managed objects, and what people type for them.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use mgmt_service::arm::{
    ArmRecord, Correlator, DestStatus, Details, MetricValue, Parent, Path, Reason, Split, Status, TraceId,
    TypedValue, ValueDefinition,
};
use mgmt_service::cli_common::parse_duration;
use mgmt_service::jmx::{AttributeValue, ObjectName, ObjectNamePattern, record_of};
use mgmt_service::protocol::{
    BatchBuilder, BeanSnapshot, DictionaryReader, DictionaryWriter, FromAgent, FromManager, GetAnswer,
    GetRequest, Terms,
};
use overlay::fuzzing::{Decoder, survives};
use overlay::{Keypair, PeerId};

use super::tree;

/// The decoders.
pub(super) const DECODERS: &[Decoder] = &[
    Decoder::new("mgmt.get", get, get_samples),
    Decoder::new("mgmt.get-answer", get_answer, get_answer_samples),
    Decoder::new("mgmt.from-manager", from_manager, from_manager_samples),
    Decoder::new("mgmt.from-agent", from_agent, from_agent_samples),
    Decoder::new("mgmt.tree-question", tree::question, tree::question_samples),
    Decoder::new("mgmt.tree-answer", tree::answer, tree::answer_samples),
    Decoder::new("mgmt.tree-child", tree::from_child, tree::from_child_samples),
    Decoder::new("mgmt.tree-parent", tree::from_parent, tree::from_parent_samples),
    Decoder::new("mgmt.object-name", text::<ObjectName>, object_name_samples),
    Decoder::new("mgmt.object-pattern", pattern, pattern_samples),
    Decoder::new("mgmt.correlator", text::<Correlator>, || vec![b"0123456789abcdef".to_vec()]),
    Decoder::new("mgmt.duration", duration, || vec![b"1h 30m".to_vec(), b"250ms".to_vec()]),
];

fn get(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| GetRequest::decode(bytes).ok();
    decode(bytes).is_some_and(|request| survives(&request, request.encode(), decode))
}

fn get_samples() -> Vec<Vec<u8>> {
    let request = |attributes: &[&str]| GetRequest {
        pattern: "*:dest=*,*".parse().unwrap(),
        attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
        after: 7,
        limit: 100,
    };
    [request(&[]), request(&["status", "response_us"])].map(|request| request.encode().unwrap()).to_vec()
}

/// Objects, some of which are records. Compared as bytes, since a number that is none does not equal itself.
fn get_answer(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| GetAnswer::decode(bytes).ok();
    let Some(answer) = decode(bytes) else { return false };
    answer.beans.iter().for_each(|bean| drop(record_of(&bean.name, &bean.attributes)));
    survives(&answer.encode(), answer.encode(), |bytes| decode(bytes).map(|answer| answer.encode()))
}

fn get_answer_samples() -> Vec<Vec<u8>> {
    let attributes: [(&str, AttributeValue); 4] = [
        ("sent", 3_i64.into()),
        ("up", true.into()),
        ("load", 0.5_f64.into()),
        ("name", String::from("x").into()),
    ];
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let name = "p:n=1,type=\"a,b\"".parse().unwrap();
    let beans = vec![BeanSnapshot { name, attributes, truncated: false }];
    [GetAnswer { beans, next: 9, more: true }, GetAnswer::default()]
        .map(|answer| answer.encode().unwrap())
        .to_vec()
}

fn from_manager(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| FromManager::decode(bytes).ok();
    decode(bytes).is_some_and(|message| survives(&message, message.encode(), decode))
}

fn from_manager_samples() -> Vec<Vec<u8>> {
    let missed = std::time::Duration::from_millis(300);
    let pattern = "*:dest=*,*".parse().unwrap();
    let (resume_from, standing) = ((2, 3), true);
    let terms = Terms { granted: Some(300), watched: true, notices: true };
    let subscribe =
        FromManager::Subscribe { subscription: 300, pattern, resume_from, missed, standing, terms };
    let said = [subscribe, FromManager::Ack { seq: 9, terms }, FromManager::Flush, FromManager::Unsubscribe];
    said.map(|message| message.encode().unwrap().to_vec()).to_vec()
}

/// A batch that was read is one that a manager could commit: records of who sent it, as columns.
fn from_agent(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| FromAgent::decode(peer(1), &mut DictionaryReader::default(), bytes).ok();
    match decode(bytes) {
        None => false,
        Some(FromAgent::Batch(batch)) => {
            assert!(batch.records.iter().all(|record| record.peer == peer(1)), "nobody speaks for another");
            batch.records.iter().for_each(|record| drop((record.fields(), record.to_json_line())));
            true
        }
        Some(said @ FromAgent::Flushed { seq }) => survives(&said, FromAgent::encode_flushed(seq), decode),
        Some(FromAgent::Notice(notice)) => {
            let encoded = notice.encode();
            survives(&FromAgent::Notice(notice), encoded, decode)
        }
        Some(said @ FromAgent::Full) => survives(&said, FromAgent::encode_full(), decode),
    }
}

fn from_agent_samples() -> Vec<Vec<u8>> {
    let record = |number: u64| ArmRecord {
        at_ms: 1_000_000 + number,
        peer: peer(1),
        transaction: "presence.ping".into(),
        dest: peer(2 + u8::try_from(number % 2).unwrap()),
        dest_status: DestStatus::Online,
        correlator: Correlator(0x0102_0304_0506_0700 + number),
        status: Status::Good,
        response_us: Some(850),
        hold_us: Some(12),
        path: Path::Direct,
        reason: Reason::None,
        details: Details::default(),
        split: Split { queue_us: Some(number), ..Split::default() },
    };
    let batch = |detailed: bool| {
        let mut batch = BatchBuilder::default();
        for number in 0..4 {
            let details = if detailed && number % 2 == 1 { details() } else { Details::default() };
            batch.push(&ArmRecord { details, ..record(number) });
        }
        batch.close(5, 6, 7).unwrap().message(&mut DictionaryWriter::default())
    };
    let said = [batch(false), FromAgent::encode_flushed(9), FromAgent::encode_full(), batch(true)];
    said.map(|bytes| bytes.unwrap().to_vec()).to_vec()
}

/// A part of something, with a value of each type.
fn details() -> Details {
    let values = [
        MetricValue::Counter(7),
        MetricValue::Gauge(-7),
        MetricValue::NumericId(404),
        MetricValue::Text("slow".into()),
    ];
    let typed = values.map(|value| {
        let definition = ValueDefinition::new(value.kind().as_str(), "1", value.kind());
        TypedValue { definition: definition.into(), value }
    });
    let parent = Parent { trace: TraceId::from_bytes([3; 16]), span: Correlator(9) };
    Details { parent: Some(parent), blocked_us: 5, values: Some(typed.into()), folded: 0 }
}

fn object_name_samples() -> Vec<Vec<u8>> {
    [r#"peer:corr=1,dest="a:b\n\*""#, "domain:k=v"].map(|name| name.as_bytes().to_vec()).to_vec()
}

/// A pattern matches names in bounded time, whatever its wildcards.
fn pattern(bytes: &[u8]) -> bool {
    let read = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<ObjectNamePattern>().ok());
    let name = ObjectName::new("aaaaaaaaaaaaaaaaaaaaaaaa", [("dest", "a".repeat(200))]).unwrap();
    read.is_some_and(|pattern| pattern.matches(&name) || text::<ObjectNamePattern>(bytes))
}

fn pattern_samples() -> Vec<Vec<u8>> {
    ["*:*", "a*?b:dest=*,corr=\"x\\*?*\",*"].map(|pattern| pattern.as_bytes().to_vec()).to_vec()
}

fn duration(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| parse_duration(text).is_ok())
}

/// What was read is written so that it reads as the same.
fn text<T: FromStr + Display + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<T>().ok();
    decode(bytes).is_some_and(|value| survives(&value, Ok::<_, ()>(value.to_string()), decode))
}

pub(super) fn peer(number: u8) -> PeerId {
    Keypair::ed25519_from_bytes([number; 32]).unwrap().public().to_peer_id()
}
