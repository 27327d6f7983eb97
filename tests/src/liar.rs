//! An aggregator that lies: it takes reports as an honest one does, and answers, but what it counts is made up.
//!
//! In: a place in a management group with the role, a lie. Out: a root of level 1 over real sockets, made of the same parts
//! as the honest one.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mgmt_service::aggregate::{
    Aggregator, Beat, Fate, Figure, FromChild, FromParent, Ledger, Newcomer, Offered, PartsAnswer, Report,
    Settled, Stamp, TOLD_HANDLER, TREE_HANDLER, Told, TotalsAnswer, TreeAnswer, TreeQuestion, tree_pipe_id,
};
use mgmt_service::net::ManagementGroup;
use overlay::{Advertisement, AdvertisementKind, BidiPipe, Lifetime, Peer, PeerId, PipeSender, Query};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What it makes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// A thousand failures more of each child than that one has reported.
    Inflates,
    /// A thousand failures more in its sum than in what it says is in it.
    Exaggerates,
    /// Nothing of its children counts, though it says so.
    Drops,
    /// This peer has reported a thousand failures.
    Invents(PeerId),
}

/// The liar; dropping it ends it.
#[derive(Debug)]
pub struct Liar(JoinHandle<()>);

impl Drop for Liar {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Liar {
    /// Lets `peer` lie at its `place`, with intervals of `length`.
    ///
    /// # Panics
    /// When something is registered there already.
    pub async fn spawn(peer: &Peer, place: &ManagementGroup, length: Duration, lie: Lie) -> Self {
        let group = place.group().clone();
        let mut listener = group.bind(tree_pipe_id(&group.id(), &peer.id())).unwrap();
        let mut asked = peer.register_handler(TREE_HANDLER).unwrap();
        let mut checked = peer.register_handler(TOLD_HANDLER).unwrap();
        let claim = Advertisement::new(AdvertisementKind::Service).key(TREE_HANDLER);
        let claim = claim.attribute("service", "mgmt-aggregator").attribute("level", "1");
        group.publish(claim, Lifetime::while_alive(Duration::from_secs(60))).await.unwrap();
        let mut den = Den::new(length, lie);
        Self(tokio::spawn(async move {
            let (said, mut hearing) = mpsc::channel(64);
            let mut tick = tokio::time::interval(length / 8);
            loop {
                tokio::select! {
                    pipe = listener.accept() => {
                        let Some(pipe) = pipe else { return };
                        let child = pipe.remote();
                        den.children.insert(child, listen(pipe, child, said.clone()));
                    }
                    Some((child, message)) = hearing.recv() => den.hear(child, message).await,
                    query = asked.recv() => den.answer(query),
                    query = checked.recv() => den.answer(query),
                    _ = tick.tick() => den.close_due().await,
                }
            }
        }))
    }
}

fn listen(pipe: BidiPipe, child: PeerId, said: mpsc::Sender<(PeerId, FromChild)>) -> PipeSender {
    let (sender, mut receiver) = pipe.split();
    tokio::spawn(async move {
        while let Ok(Some(bytes)) = receiver.recv().await {
            let Ok(message) = FromChild::decode(&bytes) else { return };
            if said.send((child, message)).await.is_err() {
                return;
            }
        }
    });
    sender
}

/// What the liar has and does.
struct Den {
    lie: Lie,
    beat: Beat,
    node: Aggregator,
    ledger: Ledger,
    told: Told,
    kept: Vec<Report>,
    children: HashMap<PeerId, PipeSender>,
}

impl Den {
    fn new(length: Duration, lie: Lie) -> Self {
        let (now, unix) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let beat = Beat::of_clock(now, unix, length);
        let node = Aggregator::new(BOOT, 1, beat.at(now).0);
        let (ledger, told, kept) = (Ledger::default(), Told::new(now), Vec::new());
        Self { lie, beat, node, ledger, told, kept, children: HashMap::new() }
    }

    async fn hear(&mut self, child: PeerId, message: FromChild) {
        let now = self.beat.at(Instant::now());
        match message {
            FromChild::Attach(newcomer) => {
                self.node.attach(child, newcomer);
                let (at, length) = (now, self.beat.length());
                self.tell(child, FromParent::Attached { boot: BOOT, at, length, above: None }).await;
            }
            FromChild::Report(mut report) => {
                let interval = report.stamp.interval;
                if self.lie == Lie::Inflates {
                    exaggerate(&mut report);
                }
                let offered = if self.lie == Lie::Drops {
                    Offered::New
                } else {
                    self.node.offer(now.0, &child, report)
                };
                let fate = match offered {
                    Offered::New | Offered::Replaced | Offered::Counted => Fate::Taken,
                    Offered::Late => Fate::Late,
                    Offered::Forgotten => Fate::Forgotten,
                    Offered::Refused => Fate::Refused,
                };
                self.tell(child, FromParent::Said { interval, fate }).await;
            }
        }
    }

    async fn tell(&mut self, child: PeerId, message: FromParent) {
        if let Some(sender) = self.children.get_mut(&child) {
            // Who is gone hears nothing.
            let _ = sender.send(message.encode().unwrap()).await;
        }
    }

    async fn close_due(&mut self) {
        let interval = self.node.closed() + 1;
        let now = Instant::now();
        if now < self.beat.end_of(interval) + self.beat.length() / 4 {
            return;
        }
        if let Lie::Invents(peer) = self.lie {
            let mut report = Report::of_one(Stamp { interval, boot: BOOT });
            exaggerate(&mut report);
            self.node.attach(peer, Newcomer { boot: BOOT, level: 0, expected: 1 });
            self.node.offer(interval, &peer, report);
        }
        let ledger = &mut self.ledger;
        let put = |child, level, report: &Report| ledger.put(interval, child, level, report);
        let mut sum = self.node.close_with(interval, put);
        if self.lie == Lie::Exaggerates {
            exaggerate(&mut sum);
        }
        self.told.kept(now, &sum);
        self.kept.push(sum);
        let children: Vec<PeerId> = self.children.keys().copied().collect();
        for child in children {
            self.tell(child, FromParent::Said { interval, fate: Fate::HandedOn }).await;
        }
    }

    fn answer(&self, query: Option<Query>) {
        let Some(query) = query else { return };
        let now = Instant::now();
        let answer = match TreeQuestion::decode(&query.body).unwrap() {
            TreeQuestion::Settle { .. } => TreeAnswer::Settled(Settled { lives: true, included: Vec::new() }),
            TreeQuestion::Totals { after } => {
                let reports = self.kept.iter().filter(|report| report.stamp.interval > after).cloned();
                let (length, reports) = (self.beat.length(), reports.collect());
                TreeAnswer::Totals(TotalsAnswer { length, above: None, reports, more: false })
            }
            TreeQuestion::Told(which) => TreeAnswer::Told(self.told.answer(now, which)),
            TreeQuestion::Parts { stamp, from } => {
                let marks = self.told.report(stamp).map(|report| report.marks.clone()).unwrap_or_default();
                let page = self.ledger.page(&marks, from as usize);
                TreeAnswer::Parts(PartsAnswer { at: self.beat.at(now).0, page })
            }
        };
        query.reply(answer.encode().unwrap());
    }
}

fn exaggerate(report: &mut Report) {
    report.figures.add("presence.ping", &Figure { failed: 1000, unanswered: 1000, ..Figure::default() });
}

const BOOT: u64 = 9;
