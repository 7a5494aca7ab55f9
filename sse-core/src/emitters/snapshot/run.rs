//! `Run`: one run of the program's function, driven by whoever waits for it.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    boxed::{BoxError, BoxFuture},
    error_chain::panic_message,
    event::{EventId, SseEvent},
    log::{Epoch, Position, State, Token},
    observe, panics,
    sync::{Arc, Mutex, lock},
    timer::later,
};

/// The program's future.
pub(super) type Work = BoxFuture<Result<SseEvent, BoxError>>;

/// How many of those who wait are asked to poll when the future can go on. More than one, since the stream of a
/// client that does not read may not be polled; other ones the next time.
const ASKED: usize = 4;
/// How many of those who wait are woken by each that is polled, once there is a state: so that none does it all.
const WOKEN: usize = 64;

/// One run: where it stands, and who waits for it.
pub(super) struct Run {
    pub(super) epoch: Epoch,
    /// Everything up to here is in the state that this gives.
    pub(super) place: Position,
    pub(super) begun: Instant,
    /// When it has taken too long.
    pub(super) deadline: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    stage: Stage,
    /// Whether the future can go on.
    due: bool,
    /// Those who have to be woken yet.
    waiting: BTreeMap<u64, Waker>,
    /// How many hold a seat.
    seats: usize,
    next: u64,
    /// Who was asked last.
    asked: u64,
}

enum Stage {
    Waits(Work),
    /// Somebody polls it at this moment, under no lock.
    Polled,
    /// `None`: it failed, which the log has said.
    Done(Option<State>),
    /// Nobody wanted it any more.
    Left,
}

/// A place among those who wait for a run. Dropped, it leaves.
pub(super) struct RunSeat {
    run: Arc<Run>,
    id: u64,
}

/// The result of a poll.
pub(super) struct Found {
    pub(super) state: Option<State>,
    /// Whether it is there since this poll.
    pub(super) is_new: bool,
}

impl Run {
    pub(super) fn new(
        work: Work,
        epoch: Epoch,
        place: Position,
        begun: Instant,
        timeout: Duration,
    ) -> Arc<Self> {
        let inner = Inner {
            stage: Stage::Waits(work),
            due: true,
            waiting: BTreeMap::new(),
            seats: 0,
            next: 0,
            asked: 0,
        };
        let deadline = later(begun, timeout);
        Arc::new(Self { epoch, place, begun, deadline, inner: Mutex::new(inner) })
    }

    /// Joins those who wait; `None` if the run came to nothing.
    pub(super) fn join(self: &Arc<Self>, waker: Waker) -> Option<RunSeat> {
        let mut inner = lock(&self.inner);
        match inner.stage {
            Stage::Left | Stage::Done(None) => return None,
            Stage::Waits(_) | Stage::Polled | Stage::Done(Some(_)) => {}
        }
        inner.next += 1;
        inner.seats += 1;
        let id = inner.next;
        if !matches!(inner.stage, Stage::Done(_)) {
            inner.waiting.insert(id, waker);
        }
        drop(inner);
        Some(RunSeat { run: Arc::clone(self), id })
    }

    /// Whether there is no state yet, and there may be one.
    pub(super) fn is_running(&self) -> bool {
        matches!(lock(&self.inner).stage, Stage::Waits(_) | Stage::Polled)
    }

    /// Whether all who waited have left.
    pub(super) fn is_left(&self) -> bool {
        matches!(lock(&self.inner).stage, Stage::Left)
    }

    fn poll(self: &Arc<Self>, now: Instant) -> Poll<Found> {
        let mut work = {
            let mut inner = lock(&self.inner);
            match &inner.stage {
                Stage::Done(state) => {
                    let found = Found { state: state.clone(), is_new: false };
                    let woken = inner.some_to_wake();
                    drop(inner);
                    wake(woken);
                    return Poll::Ready(found);
                }
                Stage::Left => return Poll::Ready(Found { state: None, is_new: false }),
                Stage::Waits(_) | Stage::Polled if now >= self.deadline => {
                    drop(inner);
                    return Poll::Ready(self.end(Err("it took too long".into())));
                }
                Stage::Polled => return Poll::Pending,
                Stage::Waits(_) if !inner.due => return Poll::Pending,
                Stage::Waits(_) => {}
            }
            inner.due = false;
            match std::mem::replace(&mut inner.stage, Stage::Polled) {
                Stage::Waits(work) => work,
                // Just looked at.
                other => {
                    inner.stage = other;
                    return Poll::Pending;
                }
            }
        };
        let waker = Waker::from(Arc::clone(self));
        let polled =
            catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut Context::from_waker(&waker))));
        match polled {
            Ok(Poll::Pending) => self.goes_on(work),
            Ok(Poll::Ready(outcome)) => {
                panics::contain(|| drop(work));
                Poll::Ready(self.end(outcome))
            }
            Err(payload) => {
                let why = format!("it panicked: {}", panic_message(&*payload));
                panics::discard(payload);
                panics::contain(|| drop(work));
                Poll::Ready(self.end(Err(why.into())))
            }
        }
    }

    /// Puts the future back that was polled and is not ready.
    fn goes_on(&self, work: Work) -> Poll<Found> {
        let mut work = Some(work);
        let (found, woken) = {
            let mut inner = lock(&self.inner);
            match &inner.stage {
                Stage::Polled => {
                    inner.stage = work.take().map_or(Stage::Left, Stage::Waits);
                    let woken = if inner.due { inner.some_to_ask() } else { Vec::new() };
                    (Poll::Pending, woken)
                }
                // Its time was over meanwhile.
                Stage::Done(state) => {
                    (Poll::Ready(Found { state: state.clone(), is_new: false }), Vec::new())
                }
                Stage::Waits(_) | Stage::Left => {
                    (Poll::Ready(Found { state: None, is_new: false }), Vec::new())
                }
            }
        };
        panics::contain(|| drop(work));
        wake(woken);
        found
    }

    /// Ends the run, with a state or without. The first end counts.
    fn end(&self, outcome: Result<SseEvent, BoxError>) -> Found {
        let id = Token { epoch: self.epoch, position: self.place }.event_id();
        let outcome = outcome.map(|event| state(&event, &id, self.place));
        let mut failed = None;
        let state = outcome.map_err(|error| failed = Some(error)).ok();
        let mut inner = lock(&self.inner);
        if let Stage::Done(state) = &inner.stage {
            return Found { state: state.clone(), is_new: false };
        }
        let before = std::mem::replace(&mut inner.stage, Stage::Done(state.clone()));
        let woken = inner.some_to_wake();
        drop(inner);
        panics::contain(|| drop(before));
        if let Some(error) = failed {
            observe::snapshot_failed(&*error);
        }
        wake(woken);
        Found { state, is_new: true }
    }

    fn leave(&self, id: u64) {
        let mut before = None;
        let (woken, waker) = {
            let mut inner = lock(&self.inner);
            let waker = inner.waiting.remove(&id);
            inner.seats -= 1;
            let woken = match &inner.stage {
                Stage::Waits(_) if inner.seats == 0 => {
                    before = Some(std::mem::replace(&mut inner.stage, Stage::Left));
                    Vec::new()
                }
                // It may have been this one that was asked.
                Stage::Waits(_) if inner.due => inner.some_to_ask(),
                Stage::Done(_) => inner.some_to_wake(),
                _ => Vec::new(),
            };
            (woken, waker)
        };
        panics::contain(|| drop((before, waker)));
        wake(woken);
    }
}

impl Inner {
    /// The wakers of those who are to poll it.
    fn some_to_ask(&mut self) -> Vec<Waker> {
        let after = self.waiting.range(self.asked + 1..);
        let some: Vec<_> = after.chain(self.waiting.range(..=self.asked)).take(ASKED).collect();
        let last = some.last().map(|(id, _)| **id);
        let wakers = some.into_iter().map(|(_, waker)| waker.clone()).collect();
        self.asked = last.unwrap_or(self.asked);
        wakers
    }

    /// The wakers of some who are to know that it has ended and were not told yet.
    fn some_to_wake(&mut self) -> Vec<Waker> {
        std::iter::from_fn(|| self.waiting.pop_first())
            .take(WOKEN)
            .map(|(_, waker)| waker)
            .collect()
    }
}

impl Wake for Run {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let woken = {
            let mut inner = lock(&self.inner);
            inner.due = true;
            // Whoever polls it sees that it is due again.
            if matches!(inner.stage, Stage::Waits(_)) { inner.some_to_ask() } else { Vec::new() }
        };
        wake(woken);
    }
}

impl RunSeat {
    pub(super) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    pub(super) fn poll(&self, now: Instant) -> Poll<Found> {
        self.run.poll(now)
    }
}

impl Drop for RunSeat {
    fn drop(&mut self) {
        self.run.leave(self.id);
    }
}

/// Under no lock: wakers are not ours.
fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        panics::contain(|| waker.wake());
    }
}

/// The state as it is written: its place is its id, whatever id the program gave it.
fn state(event: &SseEvent, id: &EventId, place: Position) -> State {
    let (with_id, frame) = event.encode_behind_id(id);
    State { frame, with_id, place }
}
