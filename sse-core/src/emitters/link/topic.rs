//! `TopicLink`: what a key on a backplane has besides its log: how far the log is, who waits for it, who has claimed
//! it.

use std::collections::HashMap;

use super::disconnecting::Disconnect;
use crate::{
    backplane::{self, Position},
    emitter::Conn,
    sync::{Arc, Weak, plain},
};

/// What a key on a backplane has besides its log. Its locks are the innermost.
pub(in crate::emitters) struct TopicLink {
    pub(super) name: backplane::Topic,
    pub(super) state: plain::Mutex<LinkState>,
    pub(super) claims: plain::Mutex<Claims>,
}

#[derive(Default)]
pub(super) struct LinkState {
    /// Its log is complete up to the watermark.
    pub(super) live: bool,
    /// The newest event of this key itself that its log ever had.
    pub(super) newest: Position,
    /// The newest that went to all keys and that its log has had, or whose loss was told.
    pub(super) announced: Position,
    /// The newest disconnect that was carried out.
    pub(super) disconnected: Position,
    /// Connections that wait, by where they are in memory, with the newest position that was known when they came.
    pub(super) waiting: HashMap<usize, Position>,
    /// Connections that came after a disconnect of this node's which the feed had not brought, by where they are in memory.
    /// What is still here of one that is gone says the same of another in its place, which came later.
    came_after: HashMap<usize, Arc<Disconnect>>,
}

impl LinkState {
    /// Notes that the connection came after this call, whose disconnect the feed brings later; up to the watermark it
    /// has brought all.
    pub(super) fn came_after(
        &mut self,
        conn: &Arc<Conn>,
        call: Arc<Disconnect>,
        watermark: Position,
    ) {
        let live = self.live;
        self.came_after.retain(|_, call| !live || call.position() > watermark);
        self.came_after.insert(address(conn), call);
    }

    /// Whether a disconnect at `position` is for this connection, which is at the key.
    pub(super) fn concerns(&self, conn: &Arc<Conn>, position: Position) -> bool {
        let conn = address(conn);
        self.waiting.get(&conn).is_none_or(|known| *known < position)
            && self.came_after.get(&conn).is_none_or(|call| call.position() < position)
    }

    /// Notes that every disconnect up to here was carried out.
    pub(super) fn disconnected(&mut self, position: Position) {
        self.disconnected = position;
        self.came_after.retain(|_, call| call.position() > position);
        if self.came_after.is_empty() {
            self.came_after = HashMap::new();
        }
    }

    /// Begins anew: the store lost its past, and nothing of it is known to be here.
    pub(super) fn reset(&mut self) {
        (self.live, self.newest, self.disconnected) = (false, Position::ZERO, Position::ZERO);
        self.announced = Position::ZERO;
        self.came_after.clear();
    }
}

impl TopicLink {
    pub(in crate::emitters) fn new(name: backplane::Topic) -> Self {
        Self { name, state: plain::Mutex::default(), claims: plain::Mutex::default() }
    }

    /// Whether this connection waits: it learns what happens to its key when it is planned.
    pub(super) fn is_waiting(&self, conn: &Arc<Conn>) -> bool {
        plain::lock(&self.state).waiting.contains_key(&address(conn))
    }

    pub(super) fn wait(&self, conn: &Arc<Conn>, known: Position) {
        plain::lock(&self.state).waiting.insert(address(conn), known);
    }

    /// Ends the wait of a connection, and returns the position after which it is known to have come, if it has
    /// waited.
    pub(super) fn stop_waiting(&self, conn: usize) -> Option<Position> {
        let mut state = plain::lock(&self.state);
        let known = state.waiting.remove(&conn);
        if state.waiting.is_empty() {
            state.waiting = HashMap::new();
        }
        known
    }
}

pub(super) fn address(conn: &Arc<Conn>) -> usize {
    Arc::as_ptr(conn).addr()
}

/// The claims of this node's connections at one key.
#[derive(Default)]
pub(super) struct Claims {
    mine: Vec<Claim>,
    /// The newest claim of all nodes.
    newest: Option<(Position, u64)>,
}

struct Claim {
    conn: Weak<Conn>,
    holder: u64,
    /// The position of the claim; `None` until the store has said.
    at: Option<Position>,
}

impl Claims {
    pub(super) fn add(&mut self, conn: &Arc<Conn>, holder: u64) {
        self.mine.retain(|claim| claim.conn.strong_count() > 0);
        self.mine.push(Claim { conn: Arc::downgrade(conn), holder, at: None });
    }

    /// Notes a claim at `position`, and returns the connections that were there before it: they have to go.
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

    /// Forgets all claims, as the store has: any new one replaces them.
    pub(super) fn forget(&mut self) {
        self.newest = None;
        for claim in &mut self.mine {
            claim.at = claim.at.map(|_| Position::ZERO);
        }
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
