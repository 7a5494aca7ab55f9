//! The state first, then what changes: who gets a snapshot, where it stands, and who makes it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod ending;
mod failing;
mod several;
mod shared;
mod waiting;
mod who;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use common::data;
use sse_tower_core::{Emitters, EmittersBuilder, EventId, EventStream, LastEventId, SseEvent};
use tokio::sync::Semaphore;

type Error = std::io::Error;

/// What a page shows, and how often it was asked for. Reading it waits until it may.
#[derive(Clone)]
struct Site {
    unread: Arc<AtomicU64>,
    asked: Arc<AtomicUsize>,
    may_read: Arc<Semaphore>,
    /// What was read before that is let through after it.
    may_answer: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
}

/// Runs as long as this is there.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Site {
    /// One whose state is read at once.
    fn quick() -> Self {
        Self {
            unread: Arc::new(AtomicU64::new(0)),
            asked: Arc::default(),
            may_read: Arc::new(Semaphore::new(1 << 20)),
            may_answer: Arc::new(Semaphore::new(1 << 20)),
            running: Arc::default(),
        }
    }

    /// One that waits before it reads.
    fn slow() -> Self {
        Self { may_read: Arc::new(Semaphore::new(0)), ..Self::quick() }
    }

    /// One that waits between its reading and its answer.
    fn slow_to_answer() -> Self {
        Self { may_answer: Arc::new(Semaphore::new(0)), ..Self::quick() }
    }

    async fn state(self) -> Result<SseEvent, Error> {
        self.asked.fetch_add(1, SeqCst);
        self.running.fetch_add(1, SeqCst);
        let _running = Running(Arc::clone(&self.running));
        self.may_read.acquire().await.unwrap().forget();
        let unread = self.unread.load(SeqCst);
        self.may_answer.acquire().await.unwrap().forget();
        Ok(SseEvent::builder().name("state").data(unread.to_string()).build().unwrap())
    }

    fn builder(&self) -> EmittersBuilder<u64> {
        let site = self.clone();
        Emitters::builder().without_keep_alive().snapshot(move |_: u64| site.clone().state())
    }

    fn emitters(&self) -> Emitters<u64> {
        self.builder().build()
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    /// The state changes, and whoever looks at it is told.
    fn change(&self, emitters: &Emitters<u64>, key: u64) -> EventId {
        let unread = self.unread.fetch_add(1, SeqCst) + 1;
        let mut sent = tokio_test::task::spawn(emitters.send(&key, unread.to_string()));
        let Poll::Ready(sent) = sent.poll() else { panic!("it is not sent at once") };
        sent.unwrap().id
    }
}

fn fresh() -> LastEventId {
    LastEventId::default()
}

fn open(emitters: &Emitters<u64>, key: u64) -> EventStream {
    emitters.connect(key, fresh()).into_stream()
}

/// As a page sees it: the last of everything, whatever its name.
fn shown(text: &str) -> String {
    data(text).pop().unwrap()
}
