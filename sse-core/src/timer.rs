//! Timers for many streams: one queue and one task for each runtime, no timer of tokio's for each
//! connection.

use std::{
    collections::BTreeMap,
    fmt,
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
    set: Option<(Id, Key)>,
}

type Key = (Instant, u64);

impl Timer {
    /// A timer that is not set.
    #[must_use]
    pub fn new(target: Weak<dyn Tick>) -> Self {
        Self { target, set: None }
    }

    /// Calls the target at `at`, and not at an instant set before.
    ///
    /// Outside a tokio runtime nothing is set, since no clock runs there.
    pub fn set(&mut self, at: Instant) {
        self.clear();
        if let Ok(runtime) = Handle::try_current() {
            let key = insert(&runtime, at, self.target.clone());
            self.set = Some((runtime.id(), key));
        }
    }

    /// Whether it is set on the runtime that this is called in; where there is none, whether it is not set.
    pub(crate) fn is_set_here(&self) -> bool {
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        self.set.map(|(runtime, _)| runtime) == here
    }

    /// Whether it is set, also to an instant that has passed.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.set.is_some()
    }

    /// Cancels it.
    pub fn clear(&mut self) {
        if let Some((runtime, key)) = self.set.take()
            && let Some(queue) = lock(&QUEUES).iter_mut().find(|queue| queue.runtime == runtime)
        {
            queue.due.remove(&key);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("at", &self.set.map(|(_, (at, _))| at)).finish()
    }
}

/// The timers of one runtime, by their deadlines. Bounded by the number of live [`Timer`]s.
struct TimerQueue {
    runtime: Id,
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
                due: BTreeMap::new(),
                serial: 0,
                earlier: Arc::clone(&earlier),
            });
            spawn(runtime, run(Entry(runtime.id()), earlier));
            queues.len() - 1
        });
    let queue = &mut queues[index];
    queue.serial += 1;
    let key = (at, queue.serial);
    let first = queue.due.first_key_value().is_none_or(|(earliest, _)| key < *earliest);
    queue.due.insert(key, target);
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
    let due = &mut queues[index].due;
    match due.first_key_value() {
        None => {
            // Under the lock, so that nobody adds to an entry whose task has left.
            queues.swap_remove(index);
            Next::Leave
        }
        Some((&(at, _), _)) if at > now => Next::Sleep(at),
        Some(_) => {
            let mut targets = Vec::new();
            while let Some(first) = due.first_entry()
                && first.key().0 <= now
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

    #[test]
    fn the_longest_duration_is_far_away_and_not_too_far_to_reckon_with() {
        let now = Instant::now();
        assert_eq!(later(now, Duration::ZERO), now);
        assert_eq!(later(now, Duration::MAX) - now, FAR);
        assert!(later(later(now, Duration::MAX), Duration::MAX) > now);
    }
}
