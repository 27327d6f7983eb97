//! `cargo bench -p tests --bench management`: what measuring costs on the wire, how fast batches are made and read, and
//! what pushing them costs the application (`-- --only yield`).

mod management_yield;

use std::time::{Duration, Instant};

use im_app::wire::Frame;
use mgmt_service::arm::{ArmRecord, Correlator, DestStatus, Path, Split, Status};
use mgmt_service::protocol::{BatchBuilder, DictionaryReader, DictionaryWriter, FromAgent};
use overlay::PeerId;
use tests::bench::{Figure, Plan, wanted};

/// Buddies of one peer, each asked every `POLL`, in batches of a minute.
const BUDDIES: u64 = 100;
const POLL: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

fn main() {
    let plan = Plan::from_args("management");
    if wanted("records") {
        records(plan);
    }
    if wanted("yield") {
        management_yield::run(plan);
    }
}

fn records(plan: Plan) {
    let (peer, buddies) = (PeerId::random(), (0..BUDDIES).map(|_| PeerId::random()).collect::<Vec<_>>());
    let mut bytes = Figure::alone("management_record_bytes", "B");
    let mut first = Figure::alone("management_first_batch_record_bytes", "B");
    let mut records = Figure::alone("management_records_encoded_decoded", "1/s");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..plan.rounds {
        let (mut writer, mut reader) = (DictionaryWriter::default(), DictionaryReader::default());
        for number in 0..20 {
            let minute = minute(peer, &buddies, number, &mut random);
            let begun = Instant::now();
            let mut builder = BatchBuilder::default();
            minute.iter().for_each(|record| builder.push(record));
            let message = builder.close(1, number + 1, 0).unwrap().message(&mut writer).unwrap();
            let read = FromAgent::decode(peer, &mut reader, &message).unwrap();
            records.measured(minute.len() as f64 / begun.elapsed().as_secs_f64());
            let FromAgent::Batch(batch) = read else { panic!("a batch reads as one") };
            assert_eq!(batch.records, minute, "what was written is read");
            let each = message.len() as f64 / minute.len() as f64;
            if number == 0 { first.measured(each) } else { bytes.measured(each) }
        }
    }
    bytes.print();
    first.print();
    records.print();
    // What a PING has beyond a frame that says nothing but its kind.
    let length = |frame: Frame| frame.encode().unwrap().len() as f64;
    let mut ping = Figure::alone("management_ping_overhead_bytes", "B");
    ping.measured(length(Frame::Ping { correlator: u64::MAX / 3 }) - length(Frame::Bye));
    ping.print();
}

/// The records of one minute, as a messenger on a local network measures them: response times spread around a
/// millisecond with a long tail, holds of some tens of microseconds, the network's round trip as pinged every 15 s.
fn minute(peer: PeerId, buddies: &[PeerId], minute: u64, random: &mut u64) -> Vec<ArmRecord> {
    let mut uniform = || {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        (*random >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut records = Vec::new();
    for round in 0..MINUTE.as_secs() / POLL.as_secs() {
        let at_ms = 1_769_860_800_000 + (minute * MINUTE.as_secs() + round * POLL.as_secs()) * 1000;
        for (number, dest) in (0..).zip(buddies) {
            let spread = (uniform() + uniform() + uniform() - 1.5) * 1.2;
            let (network, hold) = (300.0 + uniform() * 200.0, 20.0 + uniform() * 60.0);
            let seq = (minute * 6 + round) * BUDDIES + number;
            records.push(ArmRecord {
                at_ms: at_ms + number / 8 + (uniform() * 2.0) as u64,
                transaction: "presence.ping".into(),
                dest: *dest,
                dest_status: DestStatus::Online,
                correlator: Correlator(seq << 32 | (uniform() * f64::from(u32::MAX)) as u64),
                status: Status::Good,
                response_us: Some((800.0 * spread.exp()) as u64),
                hold_us: Some(hold as u64),
                path: Path::Direct,
                split: Split {
                    queue_us: Some((uniform() * 12.0) as u64),
                    network_us: Some(network as u64),
                    ..Split::default()
                },
                ..ArmRecord::empty(peer)
            });
        }
    }
    records
}
