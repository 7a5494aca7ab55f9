//! `HeadTimeout`: how long a client may take for the head of its next request.
//!
//! hyper would make a timer for each request, and nearly every head is there when it is first looked for. Here one
//! timer is set when a connection first waits for a head, and is not touched by the requests that come in time.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use sse_tower_core::__private::later;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// The clock of one connection.
    pub(super) struct HeadTimeout {
        timeout: Duration,
        // Since when it waits, and how many requests had been taken then.
        waits: Option<(Instant, usize)>,
        #[pin]
        alarm: Option<Sleep>,
    }
}

impl HeadTimeout {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, waits: None, alarm: None }
    }

    /// Whether the client, which has said so many requests and has none in flight, takes too long for the next.
    pub(super) fn poll_late(self: Pin<&mut Self>, taken: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let since = match *this.waits {
            Some((since, before)) if before == taken => since,
            _ => Instant::now(),
        };
        *this.waits = Some((since, taken));
        let due = later(since, *this.timeout);
        if this.alarm.is_none() {
            this.alarm.set(Some(sleep_until(due)));
        }
        while let Some(mut alarm) = this.alarm.as_mut().as_pin_mut() {
            ready!(alarm.as_mut().poll(cx));
            if alarm.deadline() >= due {
                break;
            }
            // Set when it waited for a request that has come since.
            alarm.reset(due);
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin};

    use tokio::time::{sleep, timeout};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn each_request_has_the_whole_time_and_none_has_more() {
        let mut head = pin!(HeadTimeout::new(TIMEOUT));
        for taken in 0..5 {
            let almost = TIMEOUT - Duration::from_millis(10);
            let late = poll_fn(|cx| head.as_mut().poll_late(taken, cx));
            assert!(timeout(almost, late).await.is_err(), "{taken}");
            // As long as the request is in flight nobody looks.
            sleep(TIMEOUT / 3).await;
        }
        let began = Instant::now();
        poll_fn(|cx| head.as_mut().poll_late(5, cx)).await;
        let waited = began.elapsed();
        assert!(TIMEOUT <= waited && waited < TIMEOUT + Duration::from_millis(10), "{waited:?}");
    }
}
