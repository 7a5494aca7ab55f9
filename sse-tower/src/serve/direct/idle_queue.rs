//! `IdleQueue`: the connections that wait for their next request, and one alarm for all of them.
//!
//! All have the same time, so they are late in the order in which they came.

use std::{
    collections::VecDeque,
    future::pending,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use sse_tower_core::__private::later;
use tokio::time::{Instant, Sleep, sleep};

use super::ready_queue::ConnWaker;

/// How many entries may be out of date before they are looked through.
const SLACK: usize = 64;

/// The connections of one worker that wait for a request.
pub(super) struct IdleQueue {
    /// How long a client may take.
    timeout: Duration,
    /// When each is late. Those that have said something are gone, and skipped.
    waiting: VecDeque<(Instant, Weak<ConnWaker>)>,
    alarm: Pin<Box<Sleep>>,
    is_set: bool,
}

impl IdleQueue {
    pub(super) fn new(timeout: Duration) -> Self {
        let alarm = Box::pin(sleep(Duration::ZERO));
        Self { timeout, waiting: VecDeque::new(), alarm, is_set: false }
    }

    /// Adds a connection, of a worker with `connections` of them.
    pub(super) fn push(&mut self, waker: &Arc<ConnWaker>, connections: usize) {
        if self.waiting.len() > 2 * connections + SLACK {
            self.waiting.retain(|(_, waker)| waker.strong_count() > 0);
            self.waiting.shrink_to(2 * self.waiting.len());
        }
        self.waiting.push_back((later(Instant::now(), self.timeout), Arc::downgrade(waker)));
    }

    /// Waits until some are late, and queues them. Cancel safe.
    pub(super) async fn late(&mut self) {
        let Some((at, _)) = self.waiting.front() else { return pending().await };
        if !self.is_set {
            self.alarm.as_mut().reset(*at);
            self.is_set = true;
        }
        self.alarm.as_mut().await;
        self.is_set = false;
        let now = Instant::now();
        while self.waiting.front().is_some_and(|(at, _)| *at <= now) {
            if let Some(waker) = self.waiting.pop_front().and_then(|(_, waker)| waker.upgrade()) {
                waker.late();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::ready_queue::ReadyQueue, *};

    const TIMEOUT: Duration = Duration::from_secs(30);

    fn waker(number: usize) -> Arc<ConnWaker> {
        ConnWaker::new(Arc::new(ReadyQueue::default()), number)
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_late_after_its_time_and_none_before() {
        let (mut queue, wakers) = (IdleQueue::new(TIMEOUT), [1, 2].map(waker));
        queue.push(&wakers[0], 2);
        sleep(Duration::from_secs(10)).await;
        queue.push(&wakers[1], 2);
        let is_late = || wakers.each_ref().map(|waker| waker.take_readiness().late);
        let began = Instant::now();
        queue.late().await;
        assert_eq!((is_late(), began.elapsed().as_secs()), ([true, false], 20));
        queue.late().await;
        assert_eq!((is_late(), began.elapsed().as_secs()), ([false, true], 30));
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_gone_are_no_more_than_those_that_are_there() {
        let mut queue = IdleQueue::new(TIMEOUT);
        let stays = waker(0);
        queue.push(&stays, 1);
        for number in 1..10_000 {
            queue.push(&waker(number), 1);
        }
        assert!(queue.waiting.len() <= 2 + SLACK + 1, "{}", queue.waiting.len());
        queue.late().await;
        assert!(stays.take_readiness().late);
    }
}
