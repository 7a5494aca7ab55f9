//! Disconnects that this node has asked for, until the store has said where they stand.
//!
//! A disconnect ends whoever came before it. Who came before it on another node the positions tell; who comes here
//! after the call came after it, although its position is not known yet.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    backplane::{Position, Topic},
    sync::{Arc, plain},
};

/// One disconnect that this node has asked for, and its position in the store.
#[derive(Debug)]
pub(super) struct Disconnect(AtomicU64);

impl Disconnect {
    /// It is not known yet; until then it counts as later than everything that came.
    const UNANSWERED: u64 = u64::MAX;

    pub(super) fn at(position: Position) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(position.get())))
    }

    /// The position of the disconnect: what stands up to there came before it.
    pub(super) fn position(&self) -> Position {
        Position::new(self.0.load(Ordering::Acquire))
    }
}

/// The newest disconnect of each key that waits for its answer: as many as the queue to the store holds.
#[derive(Debug, Default)]
pub(super) struct Disconnecting(plain::Mutex<HashMap<Topic, Arc<Disconnect>>>);

impl Disconnecting {
    pub(super) fn begin(&self, topic: &Topic) -> Arc<Disconnect> {
        let call = Arc::new(Disconnect(AtomicU64::new(Disconnect::UNANSWERED)));
        plain::lock(&self.0).insert(topic.clone(), Arc::clone(&call));
        call
    }

    /// Notes the store's answer: `position` is `None` where nobody knows whether the disconnect was carried out.
    pub(super) fn answered(
        &self,
        topic: &Topic,
        call: &Arc<Disconnect>,
        position: Option<Position>,
    ) {
        call.0.store(position.unwrap_or(Position::ZERO).get(), Ordering::Release);
        let mut calls = plain::lock(&self.0);
        if calls.get(topic).is_some_and(|newest| Arc::ptr_eq(newest, call)) {
            calls.remove(topic);
        }
    }

    /// The newest disconnect of this key: whoever comes to the key now has come after it.
    pub(super) fn newest(&self, topic: &Topic) -> Option<Arc<Disconnect>> {
        plain::lock(&self.0).get(topic).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Topic {
        Topic::new(name).expect("a name")
    }

    #[test]
    fn who_comes_after_a_call_came_after_all_that_stands_before_its_answer() {
        let calls = Disconnecting::default();
        let call = calls.begin(&topic("a"));
        let after = calls.newest(&topic("a")).expect("it waits for its answer");
        assert!(after.position() > Position::new(1 << 60));
        assert!(calls.newest(&topic("b")).is_none());
        calls.answered(&topic("a"), &call, Some(Position::new(7)));
        assert_eq!(after.position(), Position::new(7));
        assert!(calls.newest(&topic("a")).is_none());
    }

    #[test]
    fn an_older_answer_leaves_the_newer_call() {
        let calls = Disconnecting::default();
        let (older, newer) = (calls.begin(&topic("a")), calls.begin(&topic("a")));
        calls.answered(&topic("a"), &older, Some(Position::new(7)));
        assert!(calls.newest(&topic("a")).is_some_and(|newest| Arc::ptr_eq(&newest, &newer)));
        calls.answered(&topic("a"), &newer, None);
        assert_eq!(newer.position(), Position::ZERO);
    }
}
