//! Messages of 1 KiB over several pipes at once: what a connection carries when no single stream is the limit.

use futures::future::join_all;
use futures::io::{AsyncReadExt, AsyncWriteExt, BufWriter};

use bytes::Bytes;
use overlay::{PeerGroup, PeerId};
use tests::Bare;
use tests::bench::{Figure, Plan, wanted};

use super::{SINK, ours_per_second, pipe, read_frame, theirs_per_second, write_frame};

const STREAMS: usize = 4;

/// The sum over four pipes beside the sum over four bare substreams.
pub(crate) async fn throughput(plan: Plan, group: &PeerGroup, to: PeerId, bare: &Bare, bare_to: PeerId) {
    let name = "pipe_throughput_1k_4_pipes";
    if !wanted(name) {
        return;
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..STREAMS {
        ours.push(group.connect(to, pipe("sink")).await.unwrap());
        let (mut read, write) = bare.open(bare_to, SINK).await.split();
        let mut write = BufWriter::with_capacity(64 * 1024, write);
        // libp2p-stream drops a substream that comes while the one before is still being taken.
        write_frame(&mut write, &[]).await;
        write.flush().await.unwrap();
        assert!(read_frame(&mut read, &mut Vec::new()).await);
        theirs.push((read, write));
    }
    let message = Bytes::from(vec![7; 1024]);
    let mut figure = Figure::beside(name, "1/s", "4 libp2p substreams, 64 KiB buffer each");
    for _ in 0..plan.rounds {
        let rates = join_all(ours.iter_mut().map(|pipe| ours_per_second(plan, pipe, &message))).await;
        let mut reference = [0.0; 2];
        for sum in &mut reference {
            let slices =
                theirs.iter_mut().map(|(read, write)| theirs_per_second(plan, read, write, &message));
            *sum = join_all(slices).await.iter().sum();
        }
        figure.round(rates.iter().sum(), reference[0], reference[1]);
    }
    figure.print();
}
