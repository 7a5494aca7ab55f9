//! How this process shows that it lives, and stops by itself where it cannot.
//!
//! A [`Life`] is one incarnation at the store: a random id, never used again. What a process takes belongs to the life
//! under which it was taken. A life ends in one of four ways, and another begins:
//!
//! * the store says that it was *reaped*: others have what it held;
//! * its renewal was not confirmed in time (the *fence*, by the clock here, counted from when the renewal was sent): then
//!   nobody else has it yet, but soon may, so what runs is cut;
//! * a claim was not answered: it may hold what nobody here knows of. What runs goes on, and is renewed; once it is done
//!   the life *leaves*, which gives back what it does not know of;
//! * verdicts were not answered: they may be stored or not, and are said again. What was given back among them may be taken
//!   again meanwhile, and under the same life nothing would tell the one time from the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    backplane::NodeId,
    sync::plain::{Mutex, lock},
};

/// Without a renewal confirmed for so long nothing is taken and what runs is cut: before others may take over.
const FENCE: Duration = Duration::from_secs(8);

/// So many earlier lives are kept until what runs under them is done. One more is left to its lease.
const MAX_EARLIER_LIVES: usize = 16;

/// One incarnation at the store.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: NodeId,
    /// What runs under it stops.
    pub(super) cut: CancellationToken,
    /// When the newest renewal that was confirmed was sent.
    pub(super) confirmed: Mutex<Option<Instant>>,
    pub(super) reaped: AtomicBool,
    /// How much it holds that no verdict was stored for.
    holds: AtomicUsize,
}

impl Life {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            id: NodeId::random(),
            cut: CancellationToken::new(),
            confirmed: Mutex::default(),
            reaped: AtomicBool::new(false),
            holds: AtomicUsize::new(0),
        })
    }

    /// Whether something may be taken under it at this moment.
    pub(super) fn may_take(&self, now: Instant) -> bool {
        !self.cut.is_cancelled() && self.fence().is_some_and(|fence| now < fence)
    }

    /// When it has to stop by itself, unless a renewal is confirmed before.
    pub(super) fn fence(&self) -> Option<Instant> {
        lock(&self.confirmed).map(|confirmed| confirmed + FENCE)
    }

    pub(super) fn is_reaped(&self) -> bool {
        self.reaped.load(Ordering::Acquire)
    }

    pub(super) fn holds(&self) -> usize {
        self.holds.load(Ordering::Acquire)
    }
}

/// Something that is held under a life, until it is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) life: Arc<Life>,
    /// How much there is of its listener.
    listener: Arc<AtomicUsize>,
}

impl Hold {
    pub(super) fn new(life: &Arc<Life>, listener: &Arc<AtomicUsize>) -> Self {
        life.holds.fetch_add(1, Ordering::AcqRel);
        listener.fetch_add(1, Ordering::AcqRel);
        Self { life: Arc::clone(life), listener: Arc::clone(listener) }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.life.holds.fetch_sub(1, Ordering::AcqRel);
        self.listener.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The lives of this process.
#[derive(Debug)]
pub(super) struct Lives {
    lives: Mutex<(Arc<Life>, Vec<Arc<Life>>)>,
    /// There is a new one, which wants a lease.
    pub(super) changed: Notify,
}

impl Lives {
    pub(super) fn new() -> Self {
        Self { lives: Mutex::new((Life::new(), Vec::new())), changed: Notify::new() }
    }

    pub(super) fn current(&self) -> Arc<Life> {
        Arc::clone(&lock(&self.lives).0)
    }

    pub(super) fn all(&self) -> Vec<Arc<Life>> {
        let lives = lock(&self.lives);
        std::iter::once(&lives.0).chain(&lives.1).cloned().collect()
    }

    /// Nothing more is taken under this one. What runs goes on.
    pub(super) fn end(&self, life: &Arc<Life>) {
        let mut lives = lock(&self.lives);
        if !Arc::ptr_eq(&lives.0, life) {
            return;
        }
        let old = std::mem::replace(&mut lives.0, Life::new());
        lives.1.push(old);
        if lives.1.len() > MAX_EARLIER_LIVES {
            lives.1.remove(0).cut.cancel();
        }
        drop(lives);
        self.changed.notify_one();
    }

    /// What runs under this one stops too.
    pub(super) fn lose(&self, life: &Arc<Life>) {
        self.end(life);
        life.cut.cancel();
    }

    /// Whatever runs stops.
    pub(super) fn cut_all(&self) {
        self.all().iter().for_each(|life| life.cut.cancel());
    }

    /// Loses those whose fence is reached.
    pub(super) fn fence(&self, now: Instant) -> bool {
        let over = |life: &Arc<Life>| {
            !life.cut.is_cancelled() && life.fence().is_some_and(|fence| now >= fence)
        };
        let over: Vec<_> = self.all().into_iter().filter(over).collect();
        over.iter().for_each(|life| self.lose(life));
        !over.is_empty()
    }

    pub(super) fn next_fence(&self) -> Option<Instant> {
        let running = self.all().into_iter().filter(|life| !life.cut.is_cancelled());
        running.filter_map(|life| life.fence()).min()
    }

    pub(super) fn forget(&self, life: &Arc<Life>) {
        lock(&self.lives).1.retain(|other| !Arc::ptr_eq(other, life));
    }
}
