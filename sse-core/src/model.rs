//! Every interleaving of the delivery paths, by a model checker: no wake-up is lost, no callback
//! comes twice or too early, nothing deadlocks.
//!
//! Each model is two or three threads and a few calls: enough for the races, few enough to finish.

use std::{
    future::poll_fn,
    hash::BuildHasher,
    sync::Arc,
    task::{Poll, Waker},
};

use loom::{future::block_on, thread};

use crate::{
    CloseReason, Emitters, EventStream, LastEventId, Second, SseEmitter,
    sync::{RandomState, plain},
};

/// Not the model's: only the tests look at it, after everything was joined.
type Seen = Arc<plain::Mutex<Vec<String>>>;

fn note(seen: &Seen, what: impl Into<String>) {
    plain::lock(seen).push(what.into());
}

fn taken(seen: &Seen) -> Vec<String> {
    std::mem::take(&mut *plain::lock(seen))
}

/// One key is enough, and keeps the models the same in each run.
fn emitters() -> Emitters<u8> {
    Emitters::builder().without_keep_alive().build()
}

fn fresh() -> LastEventId {
    LastEventId::default()
}

/// Waits for what comes next; a wake-up that is lost is a deadlock, which the checker reports.
fn next(stream: &mut EventStream) -> Option<String> {
    let bytes = block_on(poll_fn(|cx| stream.poll_bytes(cx)))?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn data(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::to_owned).collect()
}

/// Reads until `count` events have come.
fn read(stream: &mut EventStream, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(next(stream).iter().flat_map(|text| data(text)));
    }
    all
}

fn read_to_end(stream: &mut EventStream) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(text) = next(stream) {
        all.extend(data(&text));
    }
    all
}

/// Calls back in order, once each.
fn watched(emitter: &SseEmitter) -> Seen {
    let seen = Seen::default();
    let (error, completion) = (seen.clone(), seen.clone());
    emitter.on_error(move |_| note(&error, "error"));
    emitter.on_completion(move |reason| note(&completion, reason.as_str()));
    seen
}

#[test]
fn no_wake_up_is_lost_between_append_and_read() {
    loom::model(|| {
        let emitters = emitters();
        let mut stream = emitters.connect(1, fresh()).into_stream();
        let publisher = emitters.clone();
        let thread = thread::spawn(move || {
            drop(publisher.send(&1, "a"));
            drop(publisher.send(&1, "b"));
        });
        assert_eq!(read(&mut stream, 2), ["a", "b"]);
        assert!(thread.join().is_ok());
    });
}

#[test]
fn own_and_shared_events_both_wake_the_reader() {
    loom::model(|| {
        let emitters = emitters();
        let emitter = emitters.connect(1, fresh());
        let mut stream = emitter.clone().into_stream();
        let publisher = emitters.clone();
        let own = thread::spawn(move || emitter.try_send("own").is_ok());
        let shared = thread::spawn(move || drop(publisher.send(&1, "shared")));
        let mut all = read(&mut stream, 2);
        all.sort();
        assert_eq!(all, ["own", "shared"]);
        assert!(matches!(own.join(), Ok(true)) && shared.join().is_ok());
    });
}

#[test]
fn what_was_sent_before_the_end_is_read_before_the_end() {
    loom::model(|| {
        let emitter = SseEmitter::builder().without_keep_alive().build();
        let seen = watched(&emitter);
        let mut stream = emitter.clone().into_stream();
        let thread = thread::spawn(move || {
            let sent = emitter.try_send("last").is_ok();
            emitter.complete();
            sent
        });
        assert_eq!(read_to_end(&mut stream), ["last"]);
        assert!(matches!(thread.join(), Ok(true)));
        assert_eq!(taken(&seen), ["completed"]);
    });
}

#[test]
fn a_failure_that_meets_the_clients_end_calls_back_once_and_in_order() {
    loom::model(|| {
        let emitter = SseEmitter::builder().without_keep_alive().build();
        let seen = watched(&emitter);
        let stream = emitter.clone().into_stream();
        let failing = emitter.clone();
        let thread = thread::spawn(move || failing.complete_with_error("on purpose"));
        drop(stream);
        assert!(thread.join().is_ok());
        drop(emitter);
        let seen = taken(&seen);
        assert!(seen == ["error", "failed"] || seen == ["client-gone"], "{seen:?}");
    });
}

#[test]
fn two_who_end_a_connection_end_it_once() {
    loom::model(|| {
        let emitter = SseEmitter::builder().without_keep_alive().build();
        let seen = watched(&emitter);
        let mut stream = emitter.clone().into_stream();
        let failing = emitter.clone();
        let a = thread::spawn(move || failing.complete_with_error("on purpose"));
        let b = thread::spawn(move || emitter.complete());
        let read = read_to_end(&mut stream);
        assert!(a.join().is_ok() && b.join().is_ok());
        let seen = taken(&seen);
        assert!(seen == ["error", "failed"] || seen == ["completed"], "{seen:?}");
        // A failure says goodbye, an end does not.
        assert_eq!(read.is_empty(), seen == ["completed"], "{seen:?}");
    });
}

#[test]
fn a_callback_registered_at_the_end_is_called() {
    loom::model(|| {
        let emitter = SseEmitter::builder().without_keep_alive().build();
        let stream = emitter.clone().into_stream();
        let late = emitter.clone();
        let thread = thread::spawn(move || watched(&late));
        drop(stream);
        let seen = thread.join();
        drop(emitter);
        assert!(seen.is_ok_and(|seen| taken(&seen) == ["client-gone"]));
    });
}

#[test]
fn members_come_and_go_while_events_are_sent() {
    loom::model(|| {
        let emitters = emitters();
        let mut stays = emitters.connect(1, fresh()).into_stream();
        let (publisher, other) = (emitters.clone(), emitters.clone());
        let sends = thread::spawn(move || drop(publisher.send(&1, "a")));
        let comes_and_goes = thread::spawn(move || drop(other.connect(1, fresh()).into_stream()));
        assert_eq!(read(&mut stays, 1), ["a"]);
        assert!(sends.join().is_ok() && comes_and_goes.join().is_ok());
        assert_eq!(emitters.len(), 1);
        drop(stays);
        assert_eq!(emitters.len(), 0);
    });
}

#[test]
fn of_two_who_come_at_once_one_stays() {
    loom::model(|| {
        let emitters: Emitters<u8> =
            Emitters::builder().without_keep_alive().one_per_key(Second::Replaces).build();
        let other = emitters.clone();
        let thread = thread::spawn(move || other.connect(1, fresh()));
        let here = emitters.connect(1, fresh());
        let Ok(there) = thread.join() else { return };
        assert_ne!(here.is_closed(), there.is_closed());
        let replaced = if here.is_closed() { here } else { there };
        let seen = watched(&replaced);
        assert_eq!(read_to_end(&mut replaced.into_stream()), [r#"{"reason":"replaced"}"#]);
        assert_eq!(taken(&seen), [CloseReason::Replaced.as_str()]);
    });
}

#[test]
fn whoever_meets_the_completion_of_a_key_comes_to_an_end() {
    loom::model(|| {
        let emitters = emitters();
        drop(emitters.send(&1, "last"));
        let other = emitters.clone();
        let thread = thread::spawn(move || other.complete(&1));
        let emitter = emitters.connect(1, fresh());
        let seen = watched(&emitter);
        assert_eq!(read_to_end(&mut emitter.into_stream()), ["last"]);
        assert!(thread.join().is_ok());
        assert_eq!(taken(&seen), ["completed"]);
    });
}

#[test]
fn whoever_comes_while_an_event_is_sent_gets_it_once() {
    loom::model(|| {
        let emitters = emitters();
        let publisher = emitters.clone();
        let thread = thread::spawn(move || {
            drop(publisher.send(&1, "a"));
            publisher.complete(&1);
        });
        let mut stream = emitters.connect(1, fresh()).into_stream();
        assert_eq!(read_to_end(&mut stream), ["a"]);
        assert!(thread.join().is_ok());
    });
}

/// Two keys that are in different shards, of which a model has two.
fn keys_apart() -> [u8; 2] {
    let shard = |key: u8| RandomState::default().hash_one(key) >> 32 & 1;
    [1, (2..=u8::MAX).find(|key| shard(*key) != shard(1)).unwrap_or_default()]
}

#[test]
fn an_event_that_is_late_in_its_log_is_not_passed_by_at_another_key() {
    let [one, other] = keys_apart();
    loom::model(move || {
        let emitters = emitters();
        let mut stream = emitters.connect_many([one, other], fresh()).into_stream();
        let publisher = emitters.clone();
        let thread = thread::spawn(move || drop(publisher.send(&one, "a")));
        drop(emitters.send(&other, "b"));
        let mut ids = Vec::new();
        while ids.len() < 2 {
            let text = next(&mut stream).unwrap_or_default();
            let of_token = |line: &str| line.strip_prefix("id:1.")?.split_once('.')?.1.parse().ok();
            ids.extend(text.lines().filter_map(of_token).collect::<Vec<u64>>());
        }
        assert!(ids.is_sorted(), "{ids:?}");
        assert!(thread.join().is_ok());
    });
}

#[test]
fn an_own_event_keeps_its_place_while_the_reader_is_reading() {
    loom::model(|| {
        let emitters = emitters();
        let emitter = emitters.connect(1, fresh());
        let mut stream = emitter.clone().into_stream();
        // Takes the log over, so that what follows is the quick way.
        drop(emitters.send(&1, "first"));
        assert_eq!(read(&mut stream, 1), ["first"]);
        let publisher = emitters.clone();
        let thread = thread::spawn(move || {
            drop(publisher.send(&1, "a"));
            let sent = emitter.try_send("own").is_ok();
            drop(publisher.send(&1, "b"));
            sent
        });
        assert_eq!(read(&mut stream, 3), ["a", "own", "b"]);
        assert!(matches!(thread.join(), Ok(true)));
    });
}

/// What a program's function waits for.
#[derive(Clone, Default)]
struct Database(Arc<loom::sync::Mutex<(bool, Option<Waker>)>>);

impl Database {
    async fn state(self) -> Result<&'static str, std::convert::Infallible> {
        poll_fn(|cx| {
            let mut answer = crate::sync::lock(&self.0);
            if answer.0 {
                return Poll::Ready(Ok("state"));
            }
            answer.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn answers(&self) {
        let waker = {
            let mut answer = crate::sync::lock(&self.0);
            answer.0 = true;
            answer.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn emitters(&self) -> Emitters<u8> {
        let database = self.clone();
        let state = move |_: u8| database.clone().state();
        Emitters::builder().without_keep_alive().snapshot(state).build()
    }
}

#[test]
fn all_who_share_a_snapshot_get_it_whenever_it_comes() {
    loom::model(|| {
        let database = Database::default();
        let emitters = database.emitters();
        let [mut one, mut other] = [1, 1].map(|key| emitters.connect(key, fresh()).into_stream());
        let answer = thread::spawn(move || database.answers());
        let reader = thread::spawn(move || read(&mut one, 1));
        assert_eq!(read(&mut other, 1), ["state"]);
        assert!(reader.join().is_ok_and(|read| read == ["state"]));
        assert!(answer.join().is_ok());
    });
}

#[test]
fn when_the_one_who_polls_a_snapshot_leaves_the_other_still_gets_it() {
    loom::model(|| {
        let database = Database::default();
        let emitters = database.emitters();
        let [mut one, mut other] = [1, 1].map(|key| emitters.connect(key, fresh()).into_stream());
        // It polls the function, and the other only waits.
        assert_eq!(next(&mut one).as_deref(), Some(":\n"));
        assert_eq!(next(&mut other).as_deref(), Some(":\n"));
        let answer = thread::spawn(move || database.answers());
        let leaver = thread::spawn(move || drop(one));
        assert_eq!(read(&mut other, 1), ["state"]);
        assert!(leaver.join().is_ok() && answer.join().is_ok());
    });
}

#[test]
fn what_is_sent_while_a_snapshot_is_made_comes_after_it() {
    loom::model(|| {
        let database = Database::default();
        let emitters = database.emitters();
        let mut stream = emitters.connect(1, fresh()).into_stream();
        assert_eq!(next(&mut stream).as_deref(), Some(":\n"));
        let publisher = emitters.clone();
        let thread = thread::spawn(move || {
            drop(publisher.send(&1, "change"));
            database.answers();
        });
        assert_eq!(read(&mut stream, 2), ["state", "change"]);
        assert!(thread.join().is_ok());
    });
}
