//! `Snapshots`: the program's function, and the runs of each key that connections share.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    time::Duration,
};

use tokio::time::Instant;

use super::run::{Run, Work};
use crate::{
    boxed::BoxError,
    emitters::topic::Topic,
    event::IntoEvent,
    sync::{Arc, Mutex, lock},
    timer::later,
};

/// How old a snapshot may be that is given to one more client, by default: 1 s.
pub const DEFAULT_SNAPSHOT_AGE: Duration = Duration::from_secs(1);
/// How long the function that makes a snapshot may take, by default: 5 s.
pub const DEFAULT_SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(5);

/// The program's function, without its types.
pub(in crate::emitters) type Of<K> = Arc<dyn Fn(K) -> Work + Send + Sync>;

/// The function without its types.
pub(in crate::emitters) fn of<K, F, Fut, T, E>(function: F) -> Of<K>
where
    K: Send + 'static,
    F: Fn(K) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: IntoEvent,
    E: Into<BoxError>,
{
    Arc::new(move |key| {
        let state = function(key);
        Box::pin(async move {
            match state.await {
                Ok(event) => event.into_event().map_err(Into::into),
                Err(error) => Err(error.into()),
            }
        })
    })
}

/// [`of`], for a function that needs no key.
pub(in crate::emitters) fn of_one<K, F, Fut, T, E>(function: F) -> Of<K>
where
    K: Send + 'static,
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: IntoEvent,
    E: Into<BoxError>,
{
    of(move |_| function())
}

/// What all keys of one `Emitters` have for snapshots.
pub(in crate::emitters) struct Snapshots<K> {
    pub(in crate::emitters) of: Option<Of<K>>,
    pub(in crate::emitters) age: Duration,
    pub(in crate::emitters) timeout: Duration,
    shared: Mutex<Shared<K>>,
}

/// The newest run of each key.
struct Shared<K> {
    /// By where the topic is in memory, where it stays as long as it is here.
    of: HashMap<usize, Slot<K>>,
    /// The runs that gave a state, oldest first.
    kept: VecDeque<Kept>,
    bytes: usize,
}

struct Slot<K> {
    #[expect(dead_code, reason = "so that its address is nobody else's")]
    topic: Arc<Topic<K>>,
    run: Arc<Run>,
}

struct Kept {
    topic: usize,
    run: Arc<Run>,
    bytes: usize,
    until: Instant,
}

/// What is not shared any more: to be dropped under no lock, since keys are the program's. And how many bytes it had.
#[must_use]
pub(super) struct Gone<K> {
    slots: Vec<Slot<K>>,
    pub(super) bytes: usize,
    /// When the next one is too old.
    pub(super) next: Option<Instant>,
}

impl<K> Default for Snapshots<K> {
    fn default() -> Self {
        let shared = Shared { of: HashMap::new(), kept: VecDeque::new(), bytes: 0 };
        Self {
            of: None,
            age: DEFAULT_SNAPSHOT_AGE,
            timeout: DEFAULT_SNAPSHOT_TIMEOUT,
            shared: Mutex::new(shared),
        }
    }
}

impl<K> Snapshots<K> {
    pub(in crate::emitters) fn new(of: Option<Of<K>>, age: Duration, timeout: Duration) -> Self {
        Self { of, age, timeout, ..Self::default() }
    }

    /// The run that this key shares: the one there is if `is_good`, or else the one that is made by `begin`, so that
    /// there is one at a time.
    pub(super) fn share(
        &self,
        topic: &Arc<Topic<K>>,
        is_good: impl FnOnce(&Arc<Run>) -> bool,
        begin: impl FnOnce() -> Arc<Run>,
    ) -> Arc<Run> {
        let (run, _before) = {
            let mut shared = lock(&self.shared);
            let known = shared.of.get(&address(topic)).map(|slot| Arc::clone(&slot.run));
            if let Some(run) = known
                && is_good(&run)
            {
                return run;
            }
            let run = begin();
            let slot = Slot { topic: Arc::clone(topic), run: Arc::clone(&run) };
            (run, shared.of.insert(address(topic), slot))
        };
        run
    }

    /// Lets nobody share this run any more: it failed, or nobody wanted it.
    pub(super) fn forget(&self, topic: &Arc<Topic<K>>, run: &Arc<Run>) {
        let _gone = {
            let mut shared = lock(&self.shared);
            shared.remove(address(topic), run)
        };
    }

    /// Keeps a run that has a state, for those who come soon.
    pub(super) fn keep(&self, topic: &Arc<Topic<K>>, run: &Arc<Run>, bytes: usize) {
        let until = later(run.begun, self.age);
        let mut shared = lock(&self.shared);
        shared.bytes += bytes;
        shared.kept.push_back(Kept { topic: address(topic), run: Arc::clone(run), bytes, until });
    }

    /// Lets go of what is too old; and of more, oldest first, until at most `most` bytes are kept.
    pub(super) fn sweep(&self, now: Instant, most: usize) -> Gone<K> {
        let mut gone = Gone { slots: Vec::new(), bytes: 0, next: None };
        let mut shared = lock(&self.shared);
        while let Some(oldest) = shared.kept.front() {
            if oldest.until > now && shared.bytes <= most {
                gone.next = Some(oldest.until);
                break;
            }
            if let Some(oldest) = shared.kept.pop_front() {
                shared.bytes -= oldest.bytes;
                gone.bytes += oldest.bytes;
                let slot = shared.remove(oldest.topic, &oldest.run);
                gone.slots.extend(slot);
            }
        }
        gone
    }
}

impl<K> Shared<K> {
    fn remove(&mut self, topic: usize, run: &Arc<Run>) -> Option<Slot<K>> {
        let is_it = self.of.get(&topic).is_some_and(|slot| Arc::ptr_eq(&slot.run, run));
        if is_it { self.of.remove(&topic) } else { None }
    }
}

fn address<K>(topic: &Arc<Topic<K>>) -> usize {
    Arc::as_ptr(topic).addr()
}
