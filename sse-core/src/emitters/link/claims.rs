//! Who has a key where one connection is allowed: of two claims the one with the lower position is replaced, and all
//! nodes agree on that without talking.

use super::{
    super::{
        hub::{Hub, Key},
        topic::Topic,
    },
    to::keep,
    topic::{Claims, TopicLink},
};
use crate::{
    backplane::{After, Answer, Change, Entry},
    close_reason::CloseReason,
    emitter::Conn,
    event::bye,
    spread::A_DAY,
    sync::{Arc, plain},
};

impl TopicLink {
    /// Does something with the claims, and tells who has to go, once no lock is held.
    pub(super) fn settle_claims(
        &self,
        after: &mut After,
        act: impl FnOnce(&mut Claims) -> Vec<Arc<Conn>>,
    ) {
        let replaced = act(&mut plain::lock(&self.claims));
        if !replaced.is_empty() {
            after.then(move || replace(&replaced));
        }
    }
}

/// Ends connections that have lost their place.
pub(in crate::emitters) fn replace(conns: &[Arc<Conn>]) {
    for conn in conns {
        let farewell = bye(CloseReason::Replaced, Some(A_DAY));
        conn.close(CloseReason::Replaced, Some(farewell));
    }
}

impl<K: Key> Hub<K> {
    /// This connection takes the key for itself, on all nodes. The claim goes out once no lock is held.
    pub(super) fn claim(
        self: &Arc<Self>,
        topic: &Arc<Topic<K>>,
        conn: &Arc<Conn>,
        after: &mut After,
    ) {
        let Some(link) = &topic.link else { return };
        let holder = fastrand::u64(1..);
        plain::lock(&link.claims).add(conn, holder);
        let (hub, topic) = (Arc::clone(self), Arc::clone(topic));
        after.then(move || {
            let (Some(of_hub), Some(link)) = (&hub.link, &topic.link) else { return };
            let entry = Entry {
                topic: link.name.clone(),
                change: Change::Claim { holder },
                keep: keep(hub.bounds()),
            };
            let claimed = Arc::clone(&topic);
            let done = move |answer| {
                if let (Ok(Answer::Stored(position)), Some(link)) = (answer, &claimed.link) {
                    let replaced = plain::lock(&link.claims).newest(position, holder);
                    replace(&replaced);
                }
            };
            of_hub.node().store(entry, true, Box::new(done));
        });
    }
}
