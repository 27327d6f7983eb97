//! Asking for managed objects: a pattern, the wanted attributes, a page.
//!
//! In: a request, or the objects that answer it. Out: bytes and back. An answer has at most `GET_ANSWER_BYTES_MAX`; what
//! does not fit comes with the next page.

use overlay::Value;
use overlay::wire::{
    Ext, WireError, decode, decode_message, encode, encode_kind, encode_message, split_kind,
};

use super::service::{DECODE_BYTES_MAX, VERSION, check_len};
use super::value;
use crate::jmx::{AttributeValue, BeanServer, Found, ObjectName, ObjectNamePattern};
use crate::limits::{
    GET_ANSWER_BYTES_MAX, GET_ATTRIBUTES_MAX, GET_LOOKS_MAX, GET_PAGE_BEANS_MAX, GET_REQUEST_BYTES_MAX,
};

/// Which objects, which of their attributes, and where the page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetRequest {
    /// The objects' names.
    pub pattern: ObjectNamePattern,
    /// The wanted attributes; none: all of them. At most `GET_ATTRIBUTES_MAX`.
    pub attributes: Vec<String>,
    /// 0, or [`GetAnswer::next`] of the page before.
    pub after: u64,
    /// Most objects on the page; the agent may send fewer.
    pub limit: u32,
}

impl GetRequest {
    /// The request as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] for too many or too long attributes.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        check_attributes(&self.attributes)?;
        let body = (self.pattern.to_string(), &self.attributes, self.after, self.limit, Ext::new());
        encode_kind(VERSION, GET, &body, GET_REQUEST_BYTES_MAX)
    }

    /// The request in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says; a pattern that can't be read is malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        check_len(bytes, GET_REQUEST_BYTES_MAX)?;
        let (kind, body) = split_kind(VERSION, bytes)?;
        if kind != GET {
            return Err(WireError::UnknownKind { got: kind });
        }
        let (pattern, attributes, after, limit, _ext): (String, Vec<String>, u64, u32, Ext) =
            decode(body, DECODE_BYTES_MAX)?;
        check_attributes(&attributes)?;
        let pattern = pattern.parse().map_err(|_| WireError::Malformed)?;
        Ok(Self { pattern, attributes, after, limit })
    }

    /// What the objects of `beans` answer: one page, at most `GET_PAGE_BEANS_MAX` of them. Looks at no more than
    /// `GET_LOOKS_MAX` objects, and goes on behind them with the next page.
    #[must_use]
    pub fn answer(&self, beans: &BeanServer) -> GetAnswer {
        let limit = (self.limit as usize).clamp(1, GET_PAGE_BEANS_MAX);
        let page = beans.query_bounded(&self.pattern, self.after, limit + 1, GET_LOOKS_MAX);
        let shown = page.found.into_iter().map(|found| (found.serial, self.snapshot(&found)));
        let answer = GetAnswer::fitting(shown, limit);
        match page.next {
            Some(next) if !answer.more => GetAnswer { next, more: true, ..answer },
            _ => answer,
        }
    }

    /// As [`answer`](Self::answer), under other names: `name` gives the one that the pattern must match, `bean` what is shown;
    /// none of either hides the object. Looks at no more than `scan_max` objects, and goes on behind them with the next page.
    #[must_use]
    pub fn answer_under(
        &self,
        beans: &BeanServer,
        scan_max: usize,
        name: impl Fn(&ObjectName) -> Option<ObjectName>,
        bean: impl Fn(BeanSnapshot) -> Option<BeanSnapshot>,
    ) -> GetAnswer {
        let found = beans.query_page(&ObjectNamePattern::everything(), self.after, scan_max);
        let seen_all = found.len() < scan_max;
        let last = found.last().map_or(self.after, |found| found.serial);
        let wanted = |found: &Found| name(&found.name).is_some_and(|name| self.pattern.matches(&name));
        let matching = found.into_iter().filter(wanted);
        let shown = matching.filter_map(|found| Some((found.serial, bean(self.snapshot(&found))?)));
        let limit = (self.limit as usize).clamp(1, GET_PAGE_BEANS_MAX);
        let answer = GetAnswer::fitting(shown, limit);
        if answer.more || seen_all { answer } else { GetAnswer { next: last, more: true, ..answer } }
    }

    fn snapshot(&self, found: &Found) -> BeanSnapshot {
        let all = || found.bean.info().attributes.into_iter().map(|attribute| attribute.name.into_owned());
        let wanted: Vec<String> =
            if self.attributes.is_empty() { all().collect() } else { self.attributes.clone() };
        let read = |name: String| found.bean.attribute(&name).map(|value| (name, value));
        let attributes = wanted.into_iter().filter_map(read).collect();
        BeanSnapshot { name: found.name.clone(), attributes, truncated: false }
    }
}

/// A managed object as it was when it was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct BeanSnapshot {
    /// Its name.
    pub name: ObjectName,
    /// The attributes that were wanted and had a value, in the object's order.
    pub attributes: Vec<(String, AttributeValue)>,
    /// The attributes alone would fill more than an answer and were left out.
    pub truncated: bool,
}

/// A page of objects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GetAnswer {
    /// The objects, in the order of their registration.
    pub beans: Vec<BeanSnapshot>,
    /// Where the next page begins, when there is one.
    pub next: u64,
    /// Whether there is a next page.
    pub more: bool,
}

impl GetAnswer {
    /// As many of `found` (each with its serial) as fit one answer, at most `limit`.
    #[must_use]
    pub fn fitting(found: impl IntoIterator<Item = (u64, BeanSnapshot)>, limit: usize) -> Self {
        let (mut answer, mut bytes) = (Self::default(), ANSWER_FRAME_BYTES);
        for (serial, mut bean) in found {
            if encoded_len(&bean).is_none_or(|len| len > GET_ANSWER_BYTES_MAX - ANSWER_FRAME_BYTES) {
                bean.attributes.clear();
                bean.truncated = true;
            }
            bytes += encoded_len(&bean).unwrap_or(GET_ANSWER_BYTES_MAX);
            if answer.beans.len() >= limit || bytes > GET_ANSWER_BYTES_MAX {
                answer.more = true;
                break;
            }
            answer.next = serial;
            answer.beans.push(bean);
        }
        answer
    }

    /// The answer as bytes.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] above `GET_ANSWER_BYTES_MAX`.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let beans: Vec<WireBean> = self.beans.iter().map(to_wire).collect();
        encode_message(VERSION, &(beans, self.next, self.more, Ext::new()), GET_ANSWER_BYTES_MAX)
    }

    /// The answer in `bytes`.
    ///
    /// # Errors
    /// As [`WireError`] says; a name that can't be read is malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        check_len(bytes, GET_ANSWER_BYTES_MAX)?;
        let (beans, next, more, _ext): (Vec<WireBean>, u64, bool, Ext) =
            decode_message(VERSION, bytes, DECODE_BYTES_MAX)?;
        let beans = beans.into_iter().map(from_wire).collect::<Result<_, _>>()?;
        Ok(Self { beans, next, more })
    }
}

type WireBean = (String, Vec<(String, Value)>, bool);

fn to_wire(bean: &BeanSnapshot) -> WireBean {
    let attributes =
        bean.attributes.iter().map(|(name, read)| (name.clone(), value::to_wire(read))).collect();
    (bean.name.to_string(), attributes, bean.truncated)
}

fn from_wire((name, attributes, truncated): WireBean) -> Result<BeanSnapshot, WireError> {
    let name = name.parse().map_err(|_| WireError::Malformed)?;
    let attributes = attributes.into_iter().map(|(name, sent)| (name, value::from_wire(sent))).collect();
    Ok(BeanSnapshot { name, attributes, truncated })
}

fn encoded_len(bean: &BeanSnapshot) -> Option<usize> {
    encode(&to_wire(bean), GET_ANSWER_BYTES_MAX).ok().map(|bytes| bytes.len())
}

fn check_attributes(attributes: &[String]) -> Result<(), WireError> {
    match attributes.len() {
        len if len > GET_ATTRIBUTES_MAX => Err(WireError::TooLarge { len, max: GET_ATTRIBUTES_MAX }),
        _ => Ok(()),
    }
}

const GET: u16 = 1;

/// Bytes of an answer beside its objects: version, count, serial, flag and an empty `Ext`, at their longest.
const ANSWER_FRAME_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::jmx::CounterBean;

    fn request() -> GetRequest {
        GetRequest {
            pattern: "*:dest=*,*".parse().unwrap(),
            attributes: vec!["status".into()],
            after: 7,
            limit: 100,
        }
    }

    fn bean(n: usize, bytes: usize) -> BeanSnapshot {
        BeanSnapshot {
            name: format!("p:n={n}").parse().unwrap(),
            attributes: vec![("text".into(), "x".repeat(bytes).into()), ("number".into(), (-3_i64).into())],
            truncated: false,
        }
    }

    #[test]
    fn golden_bytes_of_a_request() {
        let bytes = request().encode().unwrap();
        let mut golden = vec![1, 1, 0, 10];
        golden.extend(b"*:dest=*,*");
        golden.extend([1, 6]);
        golden.extend(b"status");
        golden.extend([7, 100, 0]);
        assert_eq!(bytes, golden);
        assert_eq!(GetRequest::decode(&golden), Ok(request()));
    }

    #[test]
    fn golden_bytes_of_an_answer() {
        let beans = vec![BeanSnapshot {
            name: "p:n=1".parse().unwrap(),
            attributes: vec![("up".into(), true.into())],
            truncated: false,
        }];
        let answer = GetAnswer { beans, next: 9, more: true };
        let mut golden = vec![1, 1, 5];
        golden.extend(b"p:n=1");
        golden.extend([1, 2]);
        golden.extend(b"up");
        golden.extend([4, 1, 1, 0, 9, 1, 0]);
        assert_eq!(answer.encode().unwrap(), golden);
        assert_eq!(GetAnswer::decode(&golden), Ok(answer));
    }

    #[test]
    fn what_does_not_fit_comes_with_the_next_page() {
        let beans: Vec<_> = (1..=20).map(|n| (n as u64, bean(n, 10_000))).collect();
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let rest = beans.iter().filter(|(serial, _)| *serial > after).cloned();
            let answer = GetAnswer::decode(&GetAnswer::fitting(rest, 100).encode().unwrap()).unwrap();
            seen.extend(answer.beans);
            if !answer.more {
                break;
            }
            after = answer.next;
        }
        assert_eq!(seen, beans.into_iter().map(|(_, bean)| bean).collect::<Vec<_>>());
        let limited = GetAnswer::fitting((1..=3).map(|n| (n as u64, bean(n, 1))), 2);
        assert_eq!((limited.beans.len(), limited.next, limited.more), (2, 2, true));
    }

    #[test]
    fn an_object_larger_than_an_answer_is_named_without_its_attributes() {
        let answer = GetAnswer::fitting([(1, bean(1, 100_000)), (2, bean(2, 1))], 10);
        assert!(answer.beans[0].truncated && answer.beans[0].attributes.is_empty());
        assert!(!answer.beans[1].truncated && !answer.more);
        assert!(answer.encode().is_ok());
    }

    #[test]
    fn a_question_is_answered_by_the_objects_as_they_are_now() {
        let server = BeanServer::new();
        let counters = || CounterBean::new("counts", || vec![("sent", 3), ("lost", 0)]);
        let _held: Vec<_> = (1..=3)
            .map(|n| server.register(format!("p:n={n}").parse().unwrap(), Arc::new(counters())).unwrap())
            .collect();
        let ask = |attributes: &[&str], after| GetRequest {
            pattern: "p:*".parse().unwrap(),
            attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
            after,
            limit: 2,
        };
        let first = ask(&["lost", "unknown"], 0).answer(&server);
        assert_eq!((first.beans.len(), first.more), (2, true));
        assert_eq!(first.beans[0].attributes, [("lost".to_owned(), AttributeValue::Int(0))]);
        let last = ask(&[], first.next).answer(&server);
        assert_eq!((last.beans.len(), last.more, last.beans[0].attributes.len()), (1, false, 2));
    }

    #[test]
    fn other_versions_kinds_patterns_and_too_many_attributes_are_errors() {
        let mut bytes = request().encode().unwrap();
        bytes[1] = 9;
        assert_eq!(GetRequest::decode(&bytes), Err(WireError::UnknownKind { got: 9 }));
        bytes[0] = 2;
        assert_eq!(GetRequest::decode(&bytes), Err(WireError::UnknownVersion { got: 2 }));
        let pattern =
            encode_kind(VERSION, GET, &("nonsense", Vec::<String>::new(), 0_u64, 1_u32, Ext::new()), 999);
        assert_eq!(GetRequest::decode(&pattern.unwrap()), Err(WireError::Malformed));
        let many = GetRequest { attributes: vec![String::new(); GET_ATTRIBUTES_MAX + 1], ..request() };
        assert!(matches!(many.encode(), Err(WireError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn truncated_and_trailing_bytes_are_errors(cut in 0usize..24, tail in 1usize..4) {
            let bytes = request().encode().unwrap();
            prop_assert!(GetRequest::decode(&bytes[..cut.min(bytes.len() - 1)]).is_err());
            let mut long = bytes;
            long.extend(vec![0; tail]);
            prop_assert!(GetRequest::decode(&long).is_err());
            let mut answer = GetAnswer::fitting([(1, bean(1, 5))], 1).encode().unwrap();
            prop_assert!(GetAnswer::decode(&answer[..cut.min(answer.len() - 1)]).is_err());
            answer.extend(vec![0; tail]);
            prop_assert!(GetAnswer::decode(&answer).is_err());
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(mut bytes: Vec<u8>) {
            let _ = (GetRequest::decode(&bytes), GetAnswer::decode(&bytes));
            bytes.splice(0..0, [VERSION, 1, 0]);
            let _ = (GetRequest::decode(&bytes), GetAnswer::decode(&bytes));
        }
    }
}
