//! Readers that were overtaken, where nobody polls them.
//!
//! A stream that is polled finds that it was overtaken, and its policy says how it goes on. One that nobody polls, because
//! its server has more for its client than that takes, would stay for ever: with its seat, its callbacks, and as much as
//! the backlog holds. So a log that drops what somebody may still have wanted is looked at twice more: whoever has not moved
//! by then is asked for a sign of life, since one that waits for its state is polled and does not move; and whoever has
//! given none the next time is put out.

use std::time::Duration;

use tokio::time::Instant;

use super::{super::topic::Topic, Behind, Registry};
use crate::{
    emitter::Conn,
    log::{Lag, Log, Seq},
    sync::Arc,
    timer::later,
};

/// How long a stream that was overtaken may stay without being polled: 30 seconds. Its connection is over then, with
/// [`CloseReason::Lagged`](crate::CloseReason::Lagged), whatever its [`Lag`] policy; with [`Lag::Close`] after a second.
///
/// A server does not poll the stream of a client that takes nothing, once it has enough for it. Each log is looked at
/// once in that time, so it may take twice as long.
pub const MAX_STALL: Duration = Duration::from_secs(30);

/// How long a stream has to notice that it is to be ended: far longer than one needs that is polled.
const TO_NOTICE: Duration = Duration::from_secs(1);

/// How long a stream that was overtaken has until it is asked, and then to answer.
pub(in crate::emitters) fn patience(lag: Option<Lag>) -> Duration {
    match lag {
        Some(Lag::Close) => TO_NOTICE / 2,
        Some(Lag::Gap | Lag::Latest | Lag::Snapshot) | None => MAX_STALL / 2,
    }
}

impl<K> Registry<K> {
    /// Notes that this log has overtaken a reader, if it has: once, until it was looked which.
    pub(super) fn note_behind(&mut self, topic: &Arc<Topic<K>>, log: &mut Log<Conn>, now: Instant) {
        if let Some(before) = log.overtook() {
            self.is_earlier = true;
            self.look_later(topic, before, false, now);
        }
    }

    fn look_later(&mut self, topic: &Arc<Topic<K>>, before: Seq, asked: bool, now: Instant) {
        let (topic, until) = (Arc::clone(topic), later(now, self.patience));
        self.behind.push_back(Behind { topic, before, asked, until });
    }

    /// Some of the readers whose time has come, `most` at a time.
    pub(in crate::emitters) fn take_behind(&mut self, now: Instant, most: usize) -> Vec<Behind<K>> {
        let due = self.behind.iter().take(most).take_while(|behind| behind.until <= now).count();
        let due: Vec<_> = self.behind.drain(..due).collect();
        for Behind { topic, before, asked, .. } in &due {
            if !asked {
                self.look_later(topic, *before, true, now);
                continue;
            }
            let mut log = topic.log();
            log.looked_at();
            // Others may have been overtaken meanwhile, and nothing more may come.
            self.note_behind(topic, &mut log, now);
        }
        if self.behind.is_empty() {
            self.behind = Default::default();
        }
        due
    }

    pub(in crate::emitters) fn next_behind(&self) -> Option<Instant> {
        self.behind.front().map(|behind| behind.until)
    }
}
