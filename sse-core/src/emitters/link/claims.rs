//! Who has a key where one connection is allowed: of two claims the one with the lower position is replaced, and all
//! nodes agree on that without talking.

use super::{
    super::{
        hub::{Hub, Key},
        registry::Topic,
    },
    TopicLink, keep,
};
use crate::{
    backplane::{After, Answer, Change, Entry, Position},
    close_reason::CloseReason,
    emitter::Conn,
    event::bye,
    spread::A_DAY,
    sync::{Arc, Weak, lock_std},
};

/// The claims of this node's connections at one key.
#[derive(Default)]
pub(super) struct Claims {
    mine: Vec<Claim>,
    /// The newest of all.
    newest: Option<(Position, u64)>,
}

struct Claim {
    conn: Weak<Conn>,
    holder: u64,
    /// Where it stands. `None` until the store has said.
    at: Option<Position>,
}

impl Claims {
    fn add(&mut self, conn: &Arc<Conn>, holder: u64) {
        self.mine.retain(|claim| claim.conn.strong_count() > 0);
        self.mine.push(Claim { conn: Arc::downgrade(conn), holder, at: None });
    }

    /// A claim stands at `position`: whoever was there before it has to go.
    pub(super) fn newest(&mut self, position: Position, holder: u64) -> Vec<Arc<Conn>> {
        if let Some(mine) = self.mine.iter_mut().find(|claim| claim.holder == holder) {
            mine.at = Some(position);
        }
        if self.newest.is_none_or(|(newest, _)| newest < position) {
            self.newest = Some((position, holder));
        }
        let newest = self.newest.map_or(Position::ZERO, |(newest, _)| newest);
        let mut replaced = Vec::new();
        self.mine.retain(|claim| {
            let stays = claim.at.is_none_or(|at| at >= newest);
            if !stays {
                replaced.extend(claim.conn.upgrade());
            }
            stays
        });
        replaced
    }

    /// The store has forgotten all of them: any new one replaces them.
    pub(super) fn forget(&mut self) {
        self.newest = None;
        for claim in &mut self.mine {
            claim.at = claim.at.map(|_| Position::ZERO);
        }
    }
}

impl TopicLink {
    /// Does something with the claims, and tells who has to go, once no lock is held.
    pub(super) fn settle_claims(
        &self,
        after: &mut After,
        act: impl FnOnce(&mut Claims) -> Vec<Arc<Conn>>,
    ) {
        let replaced = act(&mut lock_std(&self.claims));
        if !replaced.is_empty() {
            after.then(move || replace(&replaced));
        }
    }
}

/// These have lost their place.
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
        lock_std(&link.claims).add(conn, holder);
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
                    let replaced = lock_std(&link.claims).newest(position, holder);
                    replace(&replaced);
                }
            };
            of_hub.node().store(entry, true, Box::new(done));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emitter::ConnSettings;

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    #[test]
    fn of_two_claims_the_earlier_one_goes_whichever_is_heard_of_first() {
        let conns = [1, 2].map(|_| Arc::new(Conn::new(ConnSettings::default())));
        for order in [[0, 1], [1, 0]] {
            let mut claims = Claims::default();
            (0..2).for_each(|n| claims.add(&conns[n], n as u64));
            let mut gone = Vec::new();
            for n in order {
                gone.extend(claims.newest(at(10 + n as u64), n as u64));
            }
            assert_eq!(gone.len(), 1);
            assert!(Arc::ptr_eq(&gone[0], &conns[0]));
        }
    }

    #[test]
    fn a_claim_that_the_store_has_not_answered_is_newer_than_what_it_has_said() {
        let conn = Arc::new(Conn::new(ConnSettings::default()));
        let mut claims = Claims::default();
        claims.add(&conn, 1);
        assert!(claims.newest(at(7), 99).is_empty());
        assert!(claims.newest(at(8), 1).is_empty());
        assert_eq!(claims.newest(at(9), 98).len(), 1);
    }

    #[test]
    fn who_was_there_before_the_store_lost_its_past_goes_with_the_first_new_claim() {
        let conn = Arc::new(Conn::new(ConnSettings::default()));
        let mut claims = Claims::default();
        claims.add(&conn, 1);
        claims.newest(at(700), 1);
        claims.forget();
        assert_eq!(claims.newest(at(1), 2).len(), 1);
    }
}
