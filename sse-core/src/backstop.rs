//! A last resort that depends on no runtime: one thread for the process, which looks whether what was
//! left to somebody else was done.
//!
//! Work that nobody should wait for is left to a task of the runtime that happens to be current. Such a
//! runtime may end, or live on with nobody to drive it, or its thread may be blocked by whoever called;
//! what was left to it must happen nevertheless. So the same is entered here, and looked at when its time
//! has come and gone. Nearly always there is nothing to do.
//!
//! The thread is started when it is first needed, sleeps until the earliest entry, and ends after ten
//! seconds without any.

use std::{
    collections::BTreeMap,
    sync::Weak,
    time::{Duration, Instant},
};

use crate::sync::plain::{Condvar, Mutex, lock};

/// For how long the thread stays when there is nothing to look at.
const LINGER: Duration = Duration::from_secs(10);

/// Something that somebody should have done.
pub(crate) trait Watched: Send + Sync + 'static {
    /// Does what was not done. Says after which time to look again, if at all.
    fn look(&self) -> Option<Duration>;
}

/// Looks at `what` after this time, on a thread of its own. Each thing is entered once at a time, so
/// that there are no more entries than things.
pub(crate) fn watch(what: Weak<dyn Watched>, after: Duration) {
    // Nothing of it runs under the model checker.
    if cfg!(sse_loom) {
        return;
    }
    let mut entries = lock(&ENTRIES);
    let first = entries.enter(what, after);
    if entries.runs {
        if first {
            SOONER.notify_one();
        }
    } else {
        let thread = std::thread::Builder::new().name("sse-tower-backstop".to_owned());
        // Without a thread there is no last resort; what is left to others still happens there.
        entries.runs = thread.spawn(run).is_ok();
    }
}

struct Entries {
    due: BTreeMap<(Instant, u64), Weak<dyn Watched>>,
    serial: u64,
    runs: bool,
}

impl Entries {
    /// Adds an entry. `true` if it is the earliest now.
    fn enter(&mut self, what: Weak<dyn Watched>, after: Duration) -> bool {
        // What is further away than the clock reaches never comes.
        let Some(at) = Instant::now().checked_add(after) else { return false };
        self.serial += 1;
        let first = self.due.first_key_value().is_none_or(|((earliest, _), _)| at < *earliest);
        self.due.insert((at, self.serial), what);
        first
    }
}

static ENTRIES: Mutex<Entries> =
    Mutex::new(Entries { due: BTreeMap::new(), serial: 0, runs: false });
static SOONER: Condvar = Condvar::new();

fn run() {
    let mut entries = lock(&ENTRIES);
    loop {
        let now = Instant::now();
        let wait = match entries.due.first_entry() {
            Some(first) if first.key().0 <= now => {
                let what = first.remove();
                drop(entries);
                // The thread outlives whatever goes wrong in one of them.
                let again = what.upgrade().and_then(|watched| {
                    let mut again = None;
                    crate::panics::contain(|| again = watched.look());
                    again
                });
                entries = lock(&ENTRIES);
                if let Some(again) = again {
                    entries.enter(what, again);
                }
                continue;
            }
            Some(first) => first.key().0 - now,
            None => LINGER,
        };
        let waited = SOONER.wait_for(&mut entries, wait);
        if waited.timed_out() && entries.due.is_empty() {
            // Under the lock, so that nobody enters something and takes the thread for running.
            entries.runs = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    struct Count(AtomicUsize);

    impl Watched for Count {
        fn look(&self) -> Option<Duration> {
            let looked = self.0.fetch_add(1, Ordering::AcqRel) + 1;
            assert!(looked < 3, "on purpose");
            Some(Duration::from_millis(1))
        }
    }

    #[test]
    fn what_is_entered_is_looked_at_until_it_is_done_and_a_panic_ends_nothing() {
        let (once, other) =
            (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
        for count in [&once, &other] {
            watch(Arc::downgrade(&(Arc::clone(count) as Arc<dyn Watched>)), Duration::ZERO);
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while once.0.load(Ordering::Acquire) < 3 || other.0.load(Ordering::Acquire) < 3 {
            assert!(Instant::now() < deadline, "nobody looked");
            std::thread::yield_now();
        }
    }
}
