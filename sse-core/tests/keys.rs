//! Keys are the program's: what their `Hash`, `Eq`, `Clone` and `Drop` do hangs nobody.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock, mpsc},
    time::Duration,
};

use common::{data, read_now};
use sse_tower_core::{Emitters, History, LastEventId, MEMORY_AGE, Second, SseEmitter};

type Sessions = Arc<OnceLock<Emitters<Key>>>;

/// Looks at the emitters whenever something is done with it.
struct Key {
    number: u64,
    /// Keys that differ may have the same.
    hash: u64,
    sessions: Sessions,
}

impl Key {
    fn touch(&self) {
        if let Some(emitters) = self.sessions.get() {
            let _ = emitters.len();
            let _ = emitters.position();
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.touch();
        self.hash.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.touch();
        self.number == other.number
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        self.touch();
        let sessions = Arc::clone(&self.sessions);
        Self { number: self.number, hash: self.hash, sessions }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.touch();
    }
}

async fn use_everything(second: Option<Second>) {
    let sessions = Sessions::default();
    let mut builder = Emitters::builder().history(History::events(2).age(Duration::from_secs(60)));
    if let Some(second) = second {
        builder = builder.one_per_key(second);
    }
    let emitters: Emitters<Key> = builder.total(5, 1 << 20).build();
    sessions.set(emitters.clone()).unwrap_or_else(|_| unreachable!());
    // All of them have one of two hashes.
    let key = |number: u64| Key { number, hash: number % 2, sessions: Arc::clone(&sessions) };
    for number in 0..20 {
        emitters.send(&key(number), number.to_string()).await.unwrap();
    }
    let mut one = emitters.connect(key(19), LastEventId::default()).into_stream();
    assert_eq!(data(&read_now(&mut one)), ["19"]);
    let many = emitters.connect_many((0..10).map(key), LastEventId::default()).into_stream();
    let inserted = SseEmitter::new();
    emitters.insert(key(18), &inserted);
    assert_eq!(emitters.keys().len(), emitters.len());
    emitters.send_all("all").await.unwrap();
    assert!(emitters.contains(&key(19)) && !emitters.contains(&key(100)));
    emitters.complete(&key(19));
    emitters.disconnect(&key(18));
    emitters.forget(&key(18));
    drop((one, many, inserted));
    tokio::time::sleep(3 * MEMORY_AGE).await;
    assert!(emitters.is_empty());
    emitters.send(&key(1), "again").await.unwrap();
    assert!(
        read_now(&mut emitters.connect(key(1), LastEventId::default()).into_stream())
            .contains("again")
    );
}

#[test]
fn a_key_may_use_the_emitters_whatever_is_done_with_it() {
    for second in [None, Some(Second::Replaces), Some(Second::Refused)] {
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(use_everything(second));
            done.send(()).unwrap();
        });
        assert!(is_done.recv_timeout(Duration::from_secs(30)).is_ok(), "it hangs, or failed");
    }
}
