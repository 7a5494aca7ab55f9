//! The tasks by which a node does things by itself: it asks how far the store is, sees whether the feed can still
//! hear, looks for what the feed has lost silently, and does what is due.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{health::Trouble, options::is_mutant, shared::Shared};
use crate::{
    backplane::{Epoch, Mark, Position},
    observe,
};

/// How often a node asks how far its store is: so long a feed may be deaf, and so old a position may be.
pub(super) const PROBE: Duration = Duration::from_secs(2);
/// After how many probes it looks for changes that the feed has lost.
const AUDIT: u32 = 5;
/// How many changed topics are looked at in one round trip.
const AUDIT_AT_ONCE: usize = 1024;

/// Does what is due: connections that have waited too long, topics that nobody came back to, trouble that lasts.
pub(super) async fn time(shared: Arc<Shared>) {
    loop {
        let health = shared.monitor().next_due();
        let next = shared.with(|table, _, _| table.next_due());
        let next = match (next, health) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        match next {
            Some(at) => {
                let _ = tokio::time::timeout_at(at, shared.to_time.notified()).await;
            }
            None => shared.to_time.notified().await,
        }
        shared.monitor().look();
        let now = Instant::now();
        shared.with(|table, news, after| table.due(now, news, after));
    }
}

/// Asks how far the store is, again and again.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut audit = Audit::default();
    for round in 1u32.. {
        tokio::time::sleep(PROBE).await;
        let (asked, marks) = (Instant::now(), shared.with(|table, _, _| table.marks()));
        let mark = match shared.engine().mark().await {
            Ok(mark) => {
                shared.trouble(Trouble::Probe, false);
                mark
            }
            Err(error) => {
                shared.trouble(Trouble::Probe, true);
                observe::backplane_trouble("mark", &error);
                continue;
            }
        };
        if !is_mutant!(shared.options(), DeafFeedsAreNothing) {
            listen(&shared, mark, marks, asked).await;
        }
        if round % AUDIT == 0 && !is_mutant!(shared.options(), NoAudit) {
            audit.run(&shared).await;
        }
    }
}

/// Sees whether the feed can still hear: it has to bring this mark, or a later one, besides those that it had brought
/// before.
async fn listen(shared: &Arc<Shared>, mark: Mark, marks: u64, asked: Instant) {
    let epoch = shared.shown().epoch();
    let heard = |shared: &Shared| {
        // A newer epoch came later than this mark.
        shared.with(|table, _, _| {
            let reached = table.marks() > marks && table.has_reached(mark);
            reached || table.epoch() != Some(epoch)
        })
    };
    let hearing = async {
        loop {
            let mut marked = std::pin::pin!(shared.marked.notified());
            marked.as_mut().enable();
            if heard(shared) {
                return;
            }
            marked.await;
        }
    };
    if tokio::time::timeout(PROBE, hearing).await.is_ok() {
        observe::backplane_lag(asked.elapsed());
    } else if !shared.with(|table, _, _| table.is_broken()) {
        shared.trouble(Trouble::Feed, true);
        shared.engine().restart_feed();
        return;
    }
    if !shared.with(|table, _, _| table.is_broken()) {
        shared.trouble(Trouble::Feed, false);
    }
}

/// Where the search for lost changes stands.
#[derive(Default)]
struct Audit {
    /// In which epoch.
    epoch: Option<Epoch>,
    /// Everything up to here was looked at.
    after: Position,
}

impl Audit {
    /// Topics whose head is later than what is here of them have lost something.
    async fn run(&mut self, shared: &Arc<Shared>) {
        let shown = shared.shown();
        let (epoch, until) = (shown.epoch(), shown.watermark());
        if self.epoch.replace(epoch) != Some(epoch) {
            self.after = Position::ZERO;
        }
        loop {
            let changed = match shared.engine().changed(self.after, AUDIT_AT_ONCE).await {
                Ok(changed) => changed,
                Err(error) => return observe::backplane_trouble("changed", &error),
            };
            let all = changed.len() < AUDIT_AT_ONCE;
            for (topic, last) in &changed {
                // What is later than the watermark was may still be on its way.
                if *last <= until && shared.with(|table, news, _| table.lost(topic, *last, news)) {
                    observe::backplane_lost(topic);
                }
            }
            let last = changed.last().map_or(until, |(_, last)| *last);
            self.after = if all { until } else { last.min(until) };
            if all || last >= until {
                return;
            }
        }
    }
}
