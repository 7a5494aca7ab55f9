//! What a claim need not look at again.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Now and then everything is looked at, whatever was seen before.
const BELT: Duration = Duration::from_secs(30);

/// One for each listener of this process.
#[derive(Debug, Default)]
pub(super) struct Floors(Mutex<HashMap<Arc<str>, Floor>>);

#[derive(Debug)]
struct Floor {
    /// Another connection may be one to a server with another past.
    session: u64,
    /// By the server's clock.
    at: SystemTime,
    until: Instant,
}

impl Floors {
    /// Those of these listeners, in their order.
    pub(super) fn known<'a>(
        &self,
        session: u64,
        listeners: impl Iterator<Item = &'a Arc<str>>,
    ) -> Vec<Option<SystemTime>> {
        let mut floors = self.0.lock();
        floors.retain(|_, floor| floor.session == session && Instant::now() < floor.until);
        listeners.map(|listener| floors.get(listener).map(|floor| floor.at)).collect()
    }

    /// A claim found this one.
    pub(super) fn learn(&self, session: u64, listener: Arc<str>, at: SystemTime) {
        let new = Floor { session, at, until: Instant::now() + BELT };
        match self.0.lock().entry(listener) {
            Entry::Occupied(mut known) if known.get().session == session => known.get_mut().at = at,
            Entry::Occupied(mut other) => drop(other.insert(new)),
            Entry::Vacant(none) => drop(none.insert(new)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_floor_is_of_one_connection_and_looked_under_now_and_then() {
        let (floors, mail) = (Floors::default(), Arc::<str>::from("mail"));
        let known = |session| floors.known(session, [&mail].into_iter())[0];
        let (one, two) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + BELT);
        assert_eq!(known(1), None);
        floors.learn(1, mail.clone(), one);
        tokio::time::advance(BELT / 2).await;
        floors.learn(1, mail.clone(), two);
        assert_eq!(known(1), Some(two));
        tokio::time::advance(BELT / 2).await;
        assert_eq!(known(1), None);
        floors.learn(1, mail.clone(), one);
        assert_eq!(known(2), None);
        assert_eq!(known(1), None);
    }
}
