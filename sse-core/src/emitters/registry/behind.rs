//! Readers that were overtaken, where those are ended and do not come to hear of it.
//!
//! A stream that is polled ends by itself when it finds that it was overtaken. One that nobody polls, because its
//! server has more for its client than that takes, would stay for ever. So a log that drops what somebody may still
//! have wanted is looked at once more after [`PATIENCE`]: whoever has not moved since then is put out.

use std::time::Duration;

use tokio::time::Instant;

use super::{super::topic::Topic, Behind, Registry};
use crate::{emitter::Conn, log::Log, sync::Arc, timer::later};

/// How long a stream that was overtaken has to notice: far longer than one that is polled needs.
const PATIENCE: Duration = Duration::from_secs(1);

impl<K> Registry<K> {
    /// Notes that this log has overtaken somebody, if it has: once, until it was looked who that is.
    pub(super) fn note_behind(&mut self, topic: &Arc<Topic<K>>, log: &mut Log<Conn>, now: Instant) {
        if self.ends_slow
            && let Some(before) = log.overtook()
        {
            let (topic, until) = (Arc::clone(topic), later(now, PATIENCE));
            self.is_earlier = true;
            self.behind.push_back(Behind { topic, before, until });
        }
    }

    /// Those whose time has come.
    pub(in crate::emitters) fn take_behind(&mut self, now: Instant) -> Vec<Behind<K>> {
        let due = self.behind.iter().take_while(|behind| behind.until <= now).count();
        let due: Vec<_> = self.behind.drain(..due).collect();
        for behind in &due {
            behind.topic.log().looked_at();
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
