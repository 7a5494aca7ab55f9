//! Timers for many streams: one queue and one task for each runtime, no timer of tokio's for each
//! connection.

use std::{
    collections::{BTreeMap, btree_map},
    fmt,
    num::NonZeroU64,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{
    boxed::spawn,
    panics,
    sync::plain::{Mutex, lock},
};

/// How many targets are called before other tasks get their turn.
const SLICE: usize = 256;

/// Thirty years: as good as never, and yet an instant can be computed with it.
pub(crate) const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// `now + by`, or thirty years from now where that is sooner: durations are the program's, and may be
/// [`Duration::MAX`].
pub fn later(now: Instant, by: Duration) -> Instant {
    // Far below what an instant can hold.
    now.checked_add(by.min(FAR)).unwrap_or(now)
}

/// A duration in one word, for what there is many times: up to 584 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nanos(NonZeroU64);

impl Nanos {
    pub(crate) const fn of(duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        let nanos = if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 };
        // One more, so that none is zero.
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    pub(crate) const fn get(self) -> Duration {
        Duration::from_nanos(self.0.get() - 1)
    }
}

/// Something that wants to be called when its time has come.
pub trait Tick: Send + Sync + 'static {
    /// Called from the task of the runtime's timers at or soon after the instant that was set. Must not block; a
    /// stream marks that its time has come and wakes its task.
    fn tick(&self, now: Instant);
}

/// One entry in the queue of timers of the runtime it was set on. Dropping it cancels.
///
/// All timers of a runtime share one task, which sleeps until the earliest of them and ends when
/// there is none: a timer costs a map entry, and nothing while it waits.
///
/// ```
/// # use {sse_tower_core::{Tick, Timer}, std::{sync::Arc, time::Duration}};
/// # use tokio::{sync::Notify, time::Instant};
/// struct Alarm(Notify);
///
/// impl Tick for Alarm {
///     fn tick(&self, _now: Instant) {
///         self.0.notify_one();
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let alarm = Arc::new(Alarm(Notify::new()));
/// let target: Arc<dyn Tick> = alarm.clone();
/// let mut timer = Timer::new(Arc::downgrade(&target));
/// timer.set(Instant::now() + Duration::from_secs(60));
/// alarm.0.notified().await;
/// # }
/// ```
pub struct Timer {
    target: Weak<dyn Tick>,
    alarm: Alarm,
}

impl Timer {
    /// A timer that is not set.
    #[must_use]
    pub fn new(target: Weak<dyn Tick>) -> Self {
        Self { target, alarm: Alarm::default() }
    }

    /// Calls the target at `at`, and not at an instant set before.
    ///
    /// Outside a tokio runtime nothing is set, since no clock runs there.
    pub fn set(&mut self, at: Instant) {
        self.alarm.set(at, self.target.clone());
    }

    /// Whether it is set, also to an instant that has passed.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.alarm.set.is_some()
    }

    /// Cancels it.
    pub fn clear(&mut self) {
        self.alarm.clear();
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("set", &self.is_set()).finish()
    }
}

/// A [`Timer`] of somebody who has the target: there are many of those, and this is two words. Dropping it cancels.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    set: Option<(Id, Key)>,
}

impl Alarm {
    /// Calls `target` at `at`, and not at an instant set before.
    pub(crate) fn set(&mut self, at: Instant, target: Weak<dyn Tick>) {
        self.clear();
        if let Ok(runtime) = Handle::try_current() {
            let key = insert(&runtime, at, target);
            self.set = Some((runtime.id(), key));
        }
    }

    /// Whether it is set on the runtime that this is called in; where there is none, whether it is not set.
    pub(crate) fn is_set_here(&self) -> bool {
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        self.set.map(|(runtime, _)| runtime) == here
    }

    fn clear(&mut self) {
        if let Some((runtime, key)) = self.set.take()
            && let Some(queue) = lock(&QUEUES).iter_mut().find(|queue| queue.runtime == runtime)
        {
            queue.due.remove(&key);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

/// When an entry of a queue is due, since that began, in units of a 64th of a millisecond: 46 bits, which are 34 years.
/// The other bits tell those apart that are due at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u64);

impl Key {
    const NANOS: u32 = 15_625;
    const A_SECOND: u64 = 64_000;
    const APART: u32 = 18;

    /// The first key that is due at `at` or as soon after it as can be said, or after 34 years.
    fn at(at: Instant, epoch: Instant) -> Self {
        let since = at.saturating_duration_since(epoch);
        let part = since.subsec_nanos().div_ceil(Self::NANOS);
        let units = since.as_secs().saturating_mul(Self::A_SECOND).saturating_add(part.into());
        Self(units.min(u64::MAX >> Self::APART) << Self::APART)
    }

    /// One of those that are due with this one.
    const fn one(self, number: u64) -> Self {
        Self(self.0 | (number & ((1 << Self::APART) - 1)))
    }

    /// The key behind this one; behind the last comes the first, which nobody lives to see.
    const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    fn instant(self, epoch: Instant) -> Instant {
        let units = self.0 >> Self::APART;
        let nanos = (units % Self::A_SECOND) as u32 * Self::NANOS;
        later(epoch, Duration::new(units / Self::A_SECOND, nanos))
    }
}

/// The timers of one runtime, by their deadlines. Bounded by the number of live [`Timer`]s.
struct TimerQueue {
    runtime: Id,
    /// Keys count from here.
    epoch: Instant,
    due: BTreeMap<Key, Weak<dyn Tick>>,
    serial: u64,
    earlier: Arc<Notify>,
}

/// One entry for each runtime that has timers. Only map operations happen under this lock.
static QUEUES: Mutex<Vec<TimerQueue>> = Mutex::new(Vec::new());

fn insert(runtime: &Handle, at: Instant, target: Weak<dyn Tick>) -> Key {
    let mut queues = lock(&QUEUES);
    let index =
        queues.iter().position(|queue| queue.runtime == runtime.id()).unwrap_or_else(|| {
            let earlier = Arc::new(Notify::new());
            queues.push(TimerQueue {
                runtime: runtime.id(),
                epoch: Instant::now(),
                due: BTreeMap::new(),
                serial: 0,
                earlier: Arc::clone(&earlier),
            });
            spawn(runtime, run(Entry(runtime.id()), earlier));
            queues.len() - 1
        });
    let queue = &mut queues[index];
    queue.serial += 1;
    let mut key = Key::at(at, queue.epoch).one(queue.serial);
    let first = queue.due.first_key_value().is_none_or(|(earliest, _)| key < *earliest);
    // Nearly always free at once: no other timer of this moment was set 262,144 timers ago.
    loop {
        match queue.due.entry(key) {
            btree_map::Entry::Occupied(_) => key = key.next(),
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(target);
                break;
            }
        }
    }
    if first {
        queue.earlier.notify_one();
    }
    key
}

/// Removes a runtime's entry when its task ends, also when the runtime itself is dropped.
struct Entry(Id);

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&QUEUES).retain(|queue| queue.runtime != self.0);
    }
}

/// What the task does next.
enum Next {
    Sleep(Instant),
    Call(Vec<Weak<dyn Tick>>),
    Leave,
}

async fn run(entry: Entry, earlier: Arc<Notify>) {
    loop {
        match next(&entry, Instant::now()) {
            Next::Leave => return,
            // Either the deadline has come or an earlier one was added: look again.
            Next::Sleep(at) => drop(timeout_at(at, earlier.notified()).await),
            Next::Call(targets) => {
                let now = Instant::now();
                for target in targets.iter().filter_map(Weak::upgrade) {
                    // The others of this runtime are not to stop for it.
                    panics::contain(|| target.tick(now));
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

fn next(entry: &Entry, now: Instant) -> Next {
    let mut queues = lock(&QUEUES);
    let Some(index) = queues.iter().position(|queue| queue.runtime == entry.0) else {
        return Next::Leave;
    };
    let TimerQueue { due, epoch, .. } = &mut queues[index];
    match due.first_key_value() {
        None => {
            // Under the lock, so that nobody adds to an entry whose task has left.
            queues.swap_remove(index);
            Next::Leave
        }
        Some((first, _)) if first.instant(*epoch) > now => Next::Sleep(first.instant(*epoch)),
        Some(_) => {
            let mut targets = Vec::new();
            while let Some(first) = due.first_entry()
                && first.key().instant(*epoch) <= now
                && targets.len() < SLICE
            {
                targets.push(first.remove());
            }
            Next::Call(targets)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Tick for Count {
        fn tick(&self, _: Instant) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn timer(count: &Arc<Count>) -> Timer {
        Timer::new(Arc::downgrade(&(Arc::clone(count) as Arc<dyn Tick>)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_fires_once_at_its_instant() {
        let count = Arc::new(Count::default());
        let mut timer = timer(&count);
        timer.set(Instant::now() + Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(4_990)).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_timer_leaves_nothing_behind() {
        let count = Arc::new(Count::default());
        let mut late = timer(&count);
        late.set(Instant::now() + Duration::from_secs(5));
        drop(late);
        let mut early = timer(&count);
        early.set(Instant::now() + Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        let id = Handle::current().id();
        assert!(lock(&QUEUES).iter().all(|queue| queue.runtime != id));
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_instant_set_later_is_kept() {
        let (slow, quick) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let (mut a, mut b) = (timer(&slow), timer(&quick));
        a.set(Instant::now() + Duration::from_secs(60));
        tokio::task::yield_now().await;
        b.set(Instant::now() + Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(quick.0.load(Ordering::Relaxed), 1);
        assert_eq!(slow.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_runtime_that_is_dropped_takes_its_timers_along() {
        let count = Arc::new(Count::default());
        for _ in 0..3 {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let mut timer = timer(&count);
            let id = runtime.handle().id();
            runtime.block_on(async { timer.set(Instant::now() + Duration::from_secs(60)) });
            drop(runtime);
            assert!(lock(&QUEUES).iter().all(|queue| queue.runtime != id));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn timers_of_one_moment_are_all_called_and_none_before_it() {
        let count = Arc::new(Count::default());
        let at = Instant::now() + Duration::from_millis(5);
        let mut timers: Vec<_> = (0..1000).map(|_| timer(&count)).collect();
        timers.iter_mut().for_each(|timer| timer.set(at));
        tokio::time::sleep(Duration::from_millis(4)).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 1000);
    }

    #[test]
    fn a_key_is_due_not_before_its_instant_and_at_once_where_that_can_be_said() {
        let epoch = Instant::now();
        let due = |nanos| {
            let key = Key::at(epoch + Duration::from_nanos(nanos), epoch).one(u64::MAX);
            (key.instant(epoch) - epoch).as_nanos()
        };
        assert_eq!([0, 1, 15_625, 15_626].map(due), [0, 15_625, 15_625, 31_250]);
        assert_eq!(due(3_000_000_000), 3_000_000_000);
        let (last, now) =
            (Key::at(later(epoch, Duration::MAX), epoch), Key::at(epoch, epoch + FAR));
        assert_eq!((last.instant(epoch), now), (later(epoch, FAR), Key(0)));
    }

    #[test]
    fn the_longest_duration_is_far_away_and_not_too_far_to_reckon_with() {
        let now = Instant::now();
        assert_eq!(later(now, Duration::ZERO), now);
        assert_eq!(later(now, Duration::MAX) - now, FAR);
        assert!(later(later(now, Duration::MAX), Duration::MAX) > now);
    }
}
