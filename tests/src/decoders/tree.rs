//! What the peers of a tree of aggregators tell each other, and managers that check them.

use std::time::Duration;

use mgmt_service::aggregate::{
    Fate, Figure, FromChild, FromParent, Newcomer, Page, Part, PartsAnswer, Report, Saying, Settled, Stamp,
    ToldAnswer, TotalsAnswer, TreeAnswer, TreeQuestion, Which, sums_up,
};
use mgmt_service::arm::Sketch;
use overlay::fuzzing::survives;

use super::management::peer;

const STAMP: Stamp = Stamp { interval: 7, boot: 8 };

fn report() -> Report {
    let (mut report, mut response) = (Report::of_one(STAMP), Sketch::default());
    response.record_many(Duration::from_millis(3), 5);
    report.figures.add("presence.ping", &Figure { failed: 2, unanswered: 1, response });
    report.marks = vec![9, 10];
    report
}

pub(super) fn question(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| TreeQuestion::decode(bytes).ok();
    decode(bytes).is_some_and(|question| survives(&question, question.encode(), decode))
}

pub(super) fn question_samples() -> Vec<Vec<u8>> {
    let questions = [
        TreeQuestion::Settle { aggregator: peer(1), boot: 3, stamps: vec![STAMP] },
        TreeQuestion::Totals { after: 5 },
        TreeQuestion::Told(Which::HandedOn),
        TreeQuestion::Told(Which::Stamped(STAMP)),
        TreeQuestion::Told(Which::Holding(9)),
        TreeQuestion::Parts { stamp: STAMP, from: 300 },
    ];
    questions.map(|question| question.encode().unwrap()).to_vec()
}

/// What was read can be compared, whatever it says. Sums may be too large for the wire and come back coarser, so only
/// what fits as it is has to come back.
pub(super) fn answer(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| TreeAnswer::decode(bytes).ok();
    let Some(answer) = decode(bytes) else { return false };
    if let TreeAnswer::Parts(PartsAnswer { page, .. }) = &answer
        && let Some(part) = page.parts.first()
    {
        drop(sums_up(part.child, &part.report, &page.parts));
    }
    survives(&answer, answer.encode(), decode)
}

pub(super) fn answer_samples() -> Vec<Vec<u8>> {
    let (ago, reports) = (Duration::from_millis(300), vec![report(); 2]);
    let saying = Saying { report: report(), to: vec![peer(2)], handed_on: true, kept: false, ago };
    let part = |number| Part { child: peer(number), level: 0, closed: 7, report: report() };
    let page = Page { parts: vec![part(1), part(2)], more: true };
    let answers = [
        TreeAnswer::Settled(Settled { lives: true, included: vec![7] }),
        TreeAnswer::Totals(TotalsAnswer { length: ago, above: Some(peer(1)), reports, more: false }),
        TreeAnswer::Told(ToldAnswer { reach: ago, saying: None }),
        TreeAnswer::Told(ToldAnswer { reach: ago, saying: Some(saying) }),
        TreeAnswer::Parts(PartsAnswer { at: 9, page }),
    ];
    answers.map(|answer| answer.encode().unwrap()).to_vec()
}

pub(super) fn from_child(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| FromChild::decode(bytes).ok();
    decode(bytes).is_some_and(|message| survives(&message, message.encode(), decode))
}

pub(super) fn from_child_samples() -> Vec<Vec<u8>> {
    let newcomer = Newcomer { boot: 8, level: 1, expected: 9 };
    [FromChild::Attach(newcomer), FromChild::Report(report())].map(|said| said.encode().unwrap()).to_vec()
}

pub(super) fn from_parent(bytes: &[u8]) -> bool {
    let decode = |bytes: &[u8]| FromParent::decode(bytes).ok();
    decode(bytes).is_some_and(|message| survives(&message, message.encode(), decode))
}

pub(super) fn from_parent_samples() -> Vec<Vec<u8>> {
    let at = (7, Duration::from_micros(5));
    let said = [
        FromParent::Attached { boot: 8, at, length: Duration::from_millis(100), above: Some(peer(1)) },
        FromParent::Full,
        FromParent::Gone,
        FromParent::Said { interval: 7, fate: Fate::Late },
    ];
    said.map(|message| message.encode().unwrap()).to_vec()
}
