//! Bytes of requests and answers: golden, hostile, too long.

use proptest::prelude::*;

use super::*;

fn set() -> ManageRequest {
    ManageRequest::Set {
        object: "d:a=b".parse().unwrap(),
        attribute: "x".into(),
        value: "5".into(),
        options: SetOptions { expected: Some(3), dry_run: true },
    }
}

fn invoke() -> ManageRequest {
    let arguments = vec![AttributeValue::Int(1), true.into()];
    ManageRequest::Invoke { object: "d:a=b".parse().unwrap(), operation: "go".into(), arguments }
}

#[test]
fn golden_bytes() {
    let requests: [(ManageRequest, &[u8]); 3] = [
        (set(), b"\x01\x02\x00\x05d:a=b\x01x\x01\x015\x01\x03\x01\x00"),
        (invoke(), b"\x01\x03\x00\x05d:a=b\x02go\x02\x02\x08\x01\0\0\0\0\0\0\0\x04\x01\x01\x00"),
        (ManageRequest::Describe { object: "d:a=b".parse().unwrap() }, b"\x01\x04\x00\x05d:a=b\x00"),
    ];
    for (request, bytes) in requests {
        assert_eq!(request.encode().unwrap(), bytes);
        assert_eq!(ManageRequest::decode(bytes), Ok(request));
    }
    let answers: [(ManageAnswer, &[u8]); 3] = [
        (ManageAnswer::Done(true.into()), b"\x01\x02\x00\x04\x01\x01\x00"),
        (
            ManageAnswer::Changed(Change { before: None, after: true.into(), version: 4 }),
            b"\x01\x01\x00\x00\x04\x01\x01\x04\x00",
        ),
        (
            ManageAnswer::Failed { code: FailureCode::Stale, reason: "no".into() },
            b"\x01\x04\x00\x05\x02no\x00",
        ),
    ];
    for (answer, bytes) in answers {
        assert_eq!(answer.encode().unwrap(), bytes);
        assert_eq!(ManageAnswer::decode(bytes), Ok(answer));
    }
}

#[test]
fn what_is_too_much_is_refused_and_an_answer_that_is_too_long_says_so() {
    let arguments = vec![AttributeValue::Int(1); ARGUMENTS_MAX + 1];
    let many = ManageRequest::Invoke { object: "d:a=b".parse().unwrap(), operation: "go".into(), arguments };
    assert!(matches!(many.encode(), Err(WireError::TooLarge { .. })));
    assert_eq!(ManageRequest::decode(&[1, 9, 0]), Err(WireError::UnknownKind { got: 9 }));
    let long = ManageAnswer::Done("x".repeat(MANAGE_BYTES_MAX).into()).encode().unwrap();
    assert!(matches!(ManageAnswer::decode(&long), Ok(ManageAnswer::Failed { .. })));
    let later = [1, 4, 0, 99, 2, b'n', b'o', 0];
    let failed = ManageAnswer::Failed { code: FailureCode::Failed, reason: "no".into() };
    assert_eq!(ManageAnswer::decode(&later), Ok(failed));
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(kind in 0u8..6, noise: Vec<u8>) {
        let bytes = [vec![VERSION, kind, 0], noise].concat();
        let _ = (ManageRequest::decode(&bytes), ManageAnswer::decode(&bytes));
    }

    #[test]
    fn truncated_bytes_are_errors(cut in 0usize..20) {
        for request in [set(), invoke()] {
            let bytes = request.encode().unwrap();
            prop_assert!(ManageRequest::decode(&bytes[..cut.min(bytes.len() - 1)]).is_err());
        }
    }
}
