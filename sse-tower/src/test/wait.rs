//! `Wait`: something that is waited for, with a deadline.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use super::{
    standstill::{MAX_STANDSTILL, Standstill},
    unmet::{Cause, Unmet},
};
use crate::boxed::BoxFuture;

/// How long each wait of the kit goes on, on tokio's clock, unless [`Wait::within`] or
/// [`TestClient::deadline`](super::TestClient::deadline) says otherwise: 5 s.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

/// A wait of the kit: a future of what is waited for, with a deadline.
///
/// The deadline is on tokio's clock and begins with the first poll. On a paused clock it passes at
/// once when nothing is left that could happen; a clock that cannot get on is noticed in real time,
/// after [`MAX_STANDSTILL`].
///
/// # Panics
/// Awaiting it panics, at the `.await`, with an [`Unmet`] if what is waited for does not come;
/// [`result`](Self::result) returns that instead.
///
/// # Cancel safety
/// Cancel safe: what a stream has read stays with the stream.
///
/// ```
/// # use {sse_tower::test::TestClient, std::time::Duration};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let app = axum::Router::new().route("/", axum::routing::get(|| async {
///     let emitter = sse_tower::SseEmitter::builder().timeout(Duration::from_secs(60)).build();
///     let kept = emitter.clone();
///     emitter.on_completion(move |_| drop(kept));
///     emitter
/// }));
/// let mut stream = TestClient::new(app).open("/").await;
/// let unmet = stream.next_event().result().await.unwrap_err();
/// assert!(unmet.to_string().contains("within 5s"));
/// stream.ended().within(Duration::from_secs(60)).await;
/// # }
/// ```
#[must_use = "nothing is waited for unless it is awaited"]
pub struct Wait<'a, T> {
    expected: String,
    work: BoxFuture<'a, Result<T, Cause>>,
    came: Box<dyn Fn() -> String + Send + 'a>,
    deadline: Duration,
    /// From the first poll on.
    sleep: Option<Pin<Box<Sleep>>>,
    standstill: Option<Standstill>,
}

impl<'a, T> Wait<'a, T> {
    /// `came` says, in whole lines, what else happened.
    pub(super) fn new(
        expected: impl Into<String>,
        deadline: Duration,
        came: impl Fn() -> String + Send + 'a,
        work: impl Future<Output = Result<T, Cause>> + Send + 'a,
    ) -> Self {
        Self {
            expected: expected.into(),
            work: Box::pin(work),
            came: Box::new(came),
            deadline,
            sleep: None,
            standstill: None,
        }
    }

    /// Waits for this long at most.
    ///
    /// ```
    /// # use {sse_tower::{SseEmitter, test::TestClient}, std::time::Duration};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// # let emitter = SseEmitter::builder().timeout(Duration::from_secs(3600)).build();
    /// # let kept = emitter.clone();
    /// # let push = move || async move { emitter };
    /// # let client = TestClient::new(axum::Router::new().route("/push", axum::routing::get(push)));
    /// let mut stream = client.open("/push").await;
    /// stream.ended().within(Duration::from_secs(2 * 3600)).await; // takes no time on a paused clock
    /// # drop(kept);
    /// # }
    /// ```
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Waits, and returns the failure instead of panicking.
    ///
    /// # Errors
    /// [`Unmet`] if what is waited for does not come.
    ///
    /// ```
    /// # use sse_tower::test::TestClient;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let client = TestClient::new(axum::Router::new());
    /// let unmet = client.open("/nowhere").result().await.unwrap_err();
    /// assert_eq!(unmet.status().unwrap(), 404);
    /// # }
    /// ```
    pub fn result(mut self) -> impl Future<Output = Result<T, Unmet>> + Send + use<'a, T> {
        poll_fn(move |cx| self.poll_result(cx))
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Unmet>> {
        let cause = match self.work.as_mut().poll(cx) {
            Poll::Ready(Ok(value)) => return Poll::Ready(Ok(value)),
            Poll::Ready(Err(cause)) => cause,
            Poll::Pending => match self.poll_time(cx) {
                Poll::Ready(cause) => cause,
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(Err(Unmet::new(&self.expected, cause, (self.came)())))
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(deadline)));
        if sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Cause::TooLate(deadline));
        }
        if self.standstill.is_none() {
            self.standstill = Standstill::watch(MAX_STANDSTILL);
        }
        match &self.standstill {
            Some(standstill) if standstill.is_known(cx.waker(), MAX_STANDSTILL) => {
                Poll::Ready(Cause::ClockStoodStill)
            }
            _ => Poll::Pending,
        }
    }
}

impl<T> Future for Wait<'_, T> {
    type Output = T;

    // The caller is whoever awaits: the panic is reported at that line of the test.
    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.poll_result(cx) {
            Poll::Ready(Ok(value)) => Poll::Ready(value),
            #[allow(clippy::panic, reason = "it is how a test fails")]
            Poll::Ready(Err(unmet)) => panic!("{unmet}"),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for Wait<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("expected", &self.expected)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
