//! `Lease`: for how long somebody may listen.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use sse_tower_core::{
    __private::{at_most, later},
    CloseReason, STREAM_BYE, SseEvent, StreamHandle, Tick, Timer,
};
use tokio::time::Instant;

use crate::boxed::BoxFuture;

/// For how long somebody may listen: until a token expires, while a check says so, until it is
/// revoked. When it ends, every stream that runs under it is told `stream-bye` with
/// `{"reason":"expired","cause":".."}` (`expired`, `check-failed` or `revoked`), and ends with
/// [`CloseReason::Expired`]. The client dials again after a jittered `retry`, and is then answered
/// as any request with its present rights.
///
/// A clone is the same lease, so one can be kept for each session and revoked at logout. Give it to
/// a stream by [`SseLayer::lease`](crate::SseLayer::lease), or by an `Extension` in the response.
///
/// ```
/// # use {sse_tower::Lease, std::time::Duration};
/// # struct Session;
/// # impl Session { fn is_valid(&self) -> bool { true } }
/// # let session = std::sync::Arc::new(Session);
/// let lease = Lease::new()
///     .expires_in(Duration::from_secs(15 * 60))
///     .check(move || session.is_valid());
/// // Kept somewhere, for the moment of the logout:
/// lease.revoke();
/// ```
#[derive(Clone)]
#[must_use = "a lease counts for nothing until it is given to a stream"]
pub struct Lease {
    expires: Option<Instant>,
    check: Option<Check>,
    every: Option<Duration>,
    shared: Arc<Shared>,
}

type Check = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Why a lease ended, as the client is told.
#[derive(Clone, Copy)]
enum Cause {
    Expired,
    CheckFailed,
    Revoked,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    revoked: bool,
    next: u64,
    /// The open streams under this lease; bounded by the open streams of the context.
    streams: BTreeMap<u64, Weak<LeasedStream>>,
}

impl Lease {
    /// How often a check is repeated at most; a shorter interval is taken as this.
    pub const MIN_CHECK_EVERY: Duration = Duration::from_millis(10);

    /// A lease without an end, until it is revoked.
    pub fn new() -> Self {
        Self { expires: None, check: None, every: None, shared: Arc::default() }
    }

    /// Ends after this time from now.
    ///
    /// # Panics
    /// Outside a tokio runtime whose clock is paused, as [`Instant::now`] of tokio does.
    ///
    /// ```
    /// # use {sse_tower::Lease, std::time::Duration};
    /// let lease = Lease::new().expires_in(Duration::from_secs(15 * 60));
    /// # drop(lease);
    /// ```
    pub fn expires_in(mut self, time: Duration) -> Self {
        self.expires = Instant::now().checked_add(time);
        self
    }

    /// Ends at this moment, as an `exp` claim says it. One that has passed ends a stream at once.
    ///
    /// ```
    /// # use {sse_tower::Lease, std::time::{Duration, UNIX_EPOCH}};
    /// # struct Claims { exp: u64 }
    /// fn of(claims: &Claims) -> Lease {
    ///     Lease::new().expires_at(UNIX_EPOCH + Duration::from_secs(claims.exp))
    /// }
    /// # drop(of(&Claims { exp: 4_000_000_000 }));
    /// ```
    pub fn expires_at(self, moment: SystemTime) -> Self {
        let left = moment.duration_since(SystemTime::now());
        self.expires_in(left.unwrap_or(Duration::ZERO))
    }

    /// Ends when `check` returns `false`: asked on each keep-alive tick, for each stream, typically by the predicate
    /// that decides about requests too. It must not block; a panic counts as `false`.
    ///
    /// ```
    /// # use sse_tower::Lease;
    /// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    ///
    /// let member = Arc::new(AtomicBool::new(true));
    /// let lease = Lease::new().check({
    ///     let member = Arc::clone(&member);
    ///     move || member.load(Ordering::Relaxed)
    /// });
    /// # drop(lease);
    /// ```
    pub fn check(self, check: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let check = Arc::new(check);
        self.check_async(move || {
            let check = check.clone();
            async move { check() }
        })
    }

    /// As [`check`](Self::check), for a check that has to wait for an answer. A tick is left out while the check
    /// before it has not answered.
    ///
    /// ```
    /// # use sse_tower::Lease;
    /// # async fn may_listen(user: u64) -> bool { user == 7 }
    /// let lease = Lease::new().check_async(|| async { may_listen(7).await });
    /// # let _ = lease;
    /// ```
    pub fn check_async<F>(mut self, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        self.check = Some(Arc::new(move || Box::pin(check())));
        self
    }

    /// Checks this often instead of as often as the layer writes keep-alives.
    ///
    /// ```
    /// # use {sse_tower::Lease, std::time::Duration};
    /// # fn is_member() -> bool { true }
    /// let lease = Lease::new().check(is_member).check_every(Duration::from_secs(60));
    /// # drop(lease);
    /// ```
    pub fn check_every(mut self, interval: Duration) -> Self {
        self.every = Some(interval.max(Self::MIN_CHECK_EVERY));
        self
    }

    /// Ends now, at once, for every stream that runs under it, and for those that come later.
    ///
    /// ```
    /// # use sse_tower::Lease;
    /// let lease = Lease::new();
    /// let kept_with_the_session = lease.clone();
    /// kept_with_the_session.revoke();
    /// assert!(lease.is_revoked());
    /// ```
    pub fn revoke(&self) {
        let streams = {
            let mut state = self.shared.state.lock();
            state.revoked = true;
            std::mem::take(&mut state.streams)
        };
        for stream in streams.into_values().filter_map(|stream| stream.upgrade()) {
            stream.end(Cause::Revoked);
        }
    }

    /// Whether it was revoked.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.shared.state.lock().revoked
    }

    /// Watches over a stream until what is returned is dropped.
    pub(crate) fn watch(
        &self,
        stream: &Arc<dyn StreamHandle>,
        every: Duration,
        retry: Duration,
    ) -> LeaseWatch {
        let watched = Arc::new_cyclic(|this: &Weak<LeasedStream>| LeasedStream {
            this: this.clone(),
            timer: Mutex::new(Timer::new(this.clone())),
            stream: stream.clone(),
            expires: self.expires,
            check: self.check.clone(),
            every: self.every.unwrap_or(every),
            checking: AtomicBool::new(false),
            retry,
        });
        let number = {
            let mut state = self.shared.state.lock();
            let number = state.next;
            state.next += 1;
            if !state.revoked {
                state.streams.insert(number, Arc::downgrade(&watched));
            }
            (!state.revoked).then_some(number)
        };
        match number {
            None => watched.end(Cause::Revoked),
            Some(_) => watched.set_timer(Instant::now()),
        }
        LeaseWatch { shared: self.shared.clone(), number, _watched: watched }
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("expires", &self.expires)
            .field("checked", &self.check.is_some())
            .field("revoked", &self.is_revoked())
            .finish()
    }
}

impl Shared {}

/// One stream under one lease.
struct LeasedStream {
    this: Weak<Self>,
    timer: Mutex<Timer>,
    stream: Arc<dyn StreamHandle>,
    expires: Option<Instant>,
    check: Option<Check>,
    every: Duration,
    checking: AtomicBool,
    retry: Duration,
}

impl LeasedStream {
    fn end(&self, cause: Cause) {
        let cause = match cause {
            Cause::Expired => "expired",
            Cause::CheckFailed => "check-failed",
            Cause::Revoked => "revoked",
        };
        let farewell = SseEvent::builder()
            .retry(self.retry)
            .name(STREAM_BYE)
            .data(format!("{{\"reason\":\"{}\",\"cause\":\"{cause}\"}}", CloseReason::Expired));
        self.stream.end(CloseReason::Expired, farewell.build().ok());
    }

    /// Looks again at the next check or at the expiry, whichever is sooner.
    fn set_timer(&self, now: Instant) {
        // Spread, so that leases which began together do not all ask in the same instant.
        let check = self.check.as_ref().map(|_| later(now, at_most(self.every, 0.25)));
        let next = match (self.expires, check) {
            (Some(expires), Some(check)) => Some(expires.min(check)),
            (expires, check) => expires.or(check),
        };
        if let Some(at) = next {
            // Only the timer's own map is touched under this lock.
            self.timer.lock().set(at);
        }
    }

    async fn ask(self: Arc<Self>, check: Check) {
        // Cleared on the way out also by a panic of the check, which leaves `answer` at `false`.
        struct Asking(Arc<LeasedStream>, bool);
        impl Drop for Asking {
            fn drop(&mut self) {
                self.0.checking.store(false, Ordering::Release);
                if !self.1 {
                    self.0.end(Cause::CheckFailed);
                }
            }
        }
        let mut asking = Asking(self, false);
        asking.1 = check().await;
    }
}

impl Tick for LeasedStream {
    fn tick(&self, now: Instant) {
        if self.expires.is_some_and(|expires| expires <= now) {
            self.end(Cause::Expired);
            return;
        }
        if let (Some(check), Some(this)) = (&self.check, self.this.upgrade())
            && !self.checking.swap(true, Ordering::AcqRel)
        {
            // In a task, so that neither a slow check nor a panic touches other streams.
            tokio::spawn(this.ask(check.clone()));
        }
        self.set_timer(now);
    }
}

/// Watches over one stream until dropped.
pub(crate) struct LeaseWatch {
    shared: Arc<Shared>,
    number: Option<u64>,
    _watched: Arc<LeasedStream>,
}

impl Drop for LeaseWatch {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let removed = self.shared.state.lock().streams.remove(&number);
            drop(removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stream;

    impl StreamHandle for Stream {
        fn end(&self, _: CloseReason, _: Option<SseEvent>) {}
    }

    #[tokio::test]
    async fn a_lease_forgets_a_stream_that_is_over() {
        let lease = Lease::new();
        let stream: Arc<dyn StreamHandle> = Arc::new(Stream);
        let watch = || lease.watch(&stream, Duration::from_secs(1), Duration::ZERO);
        let (first, second) = (watch(), watch());
        assert_eq!(lease.shared.state.lock().streams.len(), 2);
        drop(first);
        assert_eq!(lease.shared.state.lock().streams.len(), 1);
        drop(second);
        assert!(lease.shared.state.lock().streams.is_empty());
        assert_eq!(Arc::strong_count(&stream), 1);
    }
}
