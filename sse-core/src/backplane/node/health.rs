//! `Health`: whether a node can use its store.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

use crate::{
    observe,
    sync::plain::{Mutex, lock},
};

/// How long something must go wrong before a backplane counts as [`Health::Down`].
pub const DOWN_AFTER: Duration = Duration::from_secs(5);

/// Whether a backplane can use its store.
///
/// ```
/// # use sse_tower_core::backplane::Health;
/// assert!(Health::Up.is_ready());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Everything is as it should be.
    Up,
    /// Something is wrong for a moment: a connection is made anew, a call made again. Nothing is lost.
    Degraded {
        /// Since when.
        since: Instant,
    },
    /// Something has been wrong for [`DOWN_AFTER`]: sends fail at their deadline, new connections are turned away.
    Down {
        /// Since when.
        since: Instant,
    },
}

impl Health {
    /// Whether new clients should be sent here: they should unless it is down.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        !matches!(self, Self::Down { .. })
    }
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It has not begun.
    Start = 1,
    /// Batches are not answered.
    Append = 2,
    /// The feed is broken, or deaf.
    Feed = 4,
    /// Marks are not answered.
    Probe = 8,
    /// Topics are not followed or not loaded.
    Load = 16,
}

/// What is wrong, and since when.
#[derive(Debug)]
pub(super) struct Monitor {
    troubles: Mutex<(u8, Instant)>,
    health: watch::Sender<Health>,
}

impl Monitor {
    pub(super) fn new() -> Self {
        observe::backplane_health(&Health::Up, true);
        Self { troubles: Mutex::new((0, Instant::now())), health: watch::Sender::new(Health::Up) }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Notes that this is wrong, or is not any more. Whether that is news.
    pub(super) fn set(&self, trouble: Trouble, wrong: bool) -> bool {
        {
            let mut troubles = lock(&self.troubles);
            let before = troubles.0;
            if wrong {
                troubles.0 |= trouble as u8;
            } else {
                troubles.0 &= !(trouble as u8);
            }
            if before == troubles.0 {
                return false;
            }
            if before == 0 {
                troubles.1 = Instant::now();
            }
        }
        self.look();
        true
    }

    /// When it is down, if nothing gets better until then.
    pub(super) fn next_due(&self) -> Option<Instant> {
        match *self.health.borrow() {
            Health::Degraded { since } => Some(since + DOWN_AFTER),
            Health::Up | Health::Down { .. } => None,
        }
    }

    /// Shows whether it is up, degraded or down by now.
    pub(super) fn look(&self) {
        let changed = self.health.send_if_modified(|shown| {
            // Under the lock of what is shown, so that the newest look wins.
            let (troubles, since) = *lock(&self.troubles);
            let health = match troubles {
                0 => Health::Up,
                _ if since + DOWN_AFTER <= Instant::now() => Health::Down { since },
                _ => Health::Degraded { since },
            };
            let changed = *shown != health;
            *shown = health;
            changed
        });
        if changed {
            let health = *self.health.borrow();
            observe::backplane_health(&health, health.is_ready());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_wrong_for_long_is_down_and_is_up_again_with_the_last_trouble() {
        let monitor = Monitor::new();
        let health = monitor.watch();
        monitor.set(Trouble::Append, true);
        let since = Instant::now();
        assert_eq!(*health.borrow(), Health::Degraded { since });
        assert_eq!(monitor.next_due(), Some(since + DOWN_AFTER));
        tokio::time::advance(DOWN_AFTER).await;
        monitor.set(Trouble::Feed, true);
        assert_eq!(*health.borrow(), Health::Down { since });
        monitor.set(Trouble::Append, false);
        assert_eq!(*health.borrow(), Health::Down { since }, "the other is still there");
        monitor.set(Trouble::Feed, false);
        assert_eq!(*health.borrow(), Health::Up);
    }
}
