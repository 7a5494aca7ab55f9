//! `Renewing`: a cursor that takes its place for a snapshot, and waits for it.

use std::{
    task::{Poll, Waker, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    run::{Found, Run, RunSeat},
    source::Of,
};
use crate::{
    emitters::{
        hub::{Hub, Key},
        topic::Topic,
    },
    log::{After, Missed, ReaderId, State},
    sync::{Arc, plain},
};

/// What share of all that is kept for those who come later snapshots may take: a half. They push out the oldest events.
const SHARE: usize = 2;
/// What a kept snapshot costs besides its bytes on the wire.
const COST: usize = 256;

/// What the cursor of a key has whose state can be asked for.
pub(in crate::emitters) struct Renewing<K> {
    /// Asked instead of the function that all connections share.
    own: Option<Of<K>>,
    /// The reader begins with the state.
    anew: bool,
    seat: Option<RunSeat>,
}

impl<K: Key> Renewing<K> {
    /// For a connection whose state is not that of others, if `own` makes it. `None` where there is nothing to ask.
    pub(in crate::emitters) fn new(
        hub: &Hub<K>,
        own: Option<&Of<K>>,
        anew: bool,
    ) -> Option<Box<Self>> {
        let has_state = own.is_some() || hub.snapshots.of.is_some();
        has_state.then(|| Box::new(Self { own: own.cloned(), anew, seat: None }))
    }

    /// Whether its reader begins with the state. Said once.
    pub(in crate::emitters) fn begins_anew(&mut self) -> bool {
        std::mem::take(&mut self.anew)
    }

    /// Takes a place in the log and waits for the state there, until the instant that is the answer.
    pub(in crate::emitters) fn begin(
        &mut self,
        hub: &Hub<K>,
        topic: &Arc<Topic<K>>,
        id: ReaderId,
        waker: &Waker,
    ) -> Option<Instant> {
        self.leave(hub, topic);
        loop {
            let run = match (&self.own, &hub.snapshots.of) {
                (Some(own), _) => begin(hub, topic, own),
                (None, Some(of)) => share(hub, topic, of),
                (None, None) => return None,
            };
            let Some(seat) = run.join(waker.clone()) else {
                // It came to nothing between the two.
                hub.snapshots.forget(topic, &run);
                continue;
            };
            let mut log = topic.log();
            let after = After::Position(run.place);
            // If something after the place is gone already, it is told so behind the state, and asks again.
            let start = log.start(after, &hub.bounds().history, Instant::now(), 1);
            log.begin(id, start);
            if hub.link.is_some() {
                log.has_seen(id, run.place);
            }
            drop(log);
            self.seat = Some(seat);
            return Some(run.deadline);
        }
    }

    pub(in crate::emitters) fn poll(
        &mut self,
        hub: &Hub<K>,
        topic: &Arc<Topic<K>>,
        id: ReaderId,
        waker: &Waker,
    ) -> Poll<Option<State>> {
        loop {
            let Some(seat) = &self.seat else { return Poll::Ready(None) };
            let now = Instant::now();
            let Found { state, is_new } = ready!(seat.poll(now));
            let run = Arc::clone(seat.run());
            if is_new && self.own.is_none() {
                match &state {
                    Some(state) => hub.keep_snapshot(topic, &run, state.with_id.len() + COST, now),
                    None => hub.snapshots.forget(topic, &run),
                }
            }
            self.leave(hub, topic);
            // In another epoch its place means nothing.
            if state.is_none() || run.epoch == hub.epoch() {
                return Poll::Ready(state);
            }
            self.begin(hub, topic, id, waker);
        }
    }

    /// Leaves the run that it waits for.
    pub(in crate::emitters) fn leave(&mut self, hub: &Hub<K>, topic: &Arc<Topic<K>>) {
        if let Some(seat) = self.seat.take() {
            let run = Arc::clone(seat.run());
            drop(seat);
            if run.is_left() {
                hub.snapshots.forget(topic, &run);
            }
        }
    }
}

/// The place comes first, and nothing of the function runs here.
fn begin<K: Key>(hub: &Hub<K>, topic: &Arc<Topic<K>>, of: &Of<K>) -> Arc<Run> {
    let (of, key) = (Arc::clone(of), Arc::clone(topic));
    let work = Box::pin(async move { of(key.key.clone()).await });
    let (epoch, place) = (hub.epoch(), hub.watermark());
    Run::new(work, epoch, place, Instant::now(), hub.snapshots.timeout)
}

/// The run that all who come at this moment share.
fn share<K: Key>(hub: &Hub<K>, topic: &Arc<Topic<K>>, of: &Of<K>) -> Arc<Run> {
    let epoch = hub.epoch();
    let age = |run: &Run| Instant::now().saturating_duration_since(run.begun);
    let has_all_after = |run: &Run| topic.log().missed_after(run.place) == Missed::None;
    let is_good = |run: &Arc<Run>| {
        run.epoch == epoch
            && (run.is_running() || age(run) < hub.snapshots.age && has_all_after(run))
    };
    hub.snapshots.share(topic, is_good, || begin(hub, topic, of))
}

impl<K: Key> Hub<K> {
    fn keep_snapshot(&self, topic: &Arc<Topic<K>>, run: &Arc<Run>, bytes: usize, now: Instant) {
        if self.snapshots.age == Duration::ZERO {
            return self.snapshots.forget(topic, run);
        }
        self.snapshots.keep(topic, run, bytes);
        self.lend(bytes);
        self.relieve(now);
        self.sweep_snapshots(now);
    }

    /// Lets go of snapshots that nobody else is given.
    pub(in crate::emitters) fn sweep_snapshots(&self, now: Instant) {
        let gone = self.snapshots.sweep(now, self.bounds().total_bytes / SHARE);
        if gone.bytes > 0 {
            self.take_back(gone.bytes);
        }
        let mut timer = plain::lock(&self.snapshots_timer);
        match gone.next {
            Some(next) => timer.set(next),
            None => timer.clear(),
        }
    }
}
