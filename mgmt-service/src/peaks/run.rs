//! Exchanges of one pair after another: who asked whom what, and stretches of what stands out.

use std::collections::BTreeMap;

use overlay::PeerId;

use crate::arm::ArmRecord;
use crate::limits::PEAK_GAP_MAX;

/// The records of each pair and kind, in the order of their starts.
pub(super) fn by_pair<'a>(records: impl Iterator<Item = &'a ArmRecord>) -> Vec<Vec<&'a ArmRecord>> {
    let mut pairs: BTreeMap<(PeerId, PeerId, &str), Vec<&ArmRecord>> = BTreeMap::new();
    for record in records {
        pairs.entry((record.peer, record.dest, &record.transaction)).or_default().push(record);
    }
    let sorted = |mut pair: Vec<&'a ArmRecord>| {
        pair.sort_by_key(|record| record.at_ms);
        pair
    };
    pairs.into_values().map(sorted).collect()
}

/// Stretches of those that `stand_out`, with at most [`PEAK_GAP_MAX`] others between two of them, which are left out.
pub(super) fn runs<'a>(
    pair: &[&'a ArmRecord],
    stands_out: impl Fn(&ArmRecord) -> bool,
) -> impl Iterator<Item = Vec<&'a ArmRecord>> {
    let (mut runs, mut last) = (Vec::<Vec<&ArmRecord>>::new(), None);
    for (place, record) in pair.iter().enumerate().filter(|(_, record)| stands_out(record)) {
        let goes_on = last.is_some_and(|last| place - last <= PEAK_GAP_MAX + 1);
        last = Some(place);
        match runs.last_mut().filter(|_| goes_on) {
            Some(run) => run.push(record),
            None => runs.push(vec![record]),
        }
    }
    runs.into_iter()
}
