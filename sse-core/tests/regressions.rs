//! What could go missing, come twice or never come, in corners where several things meet.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod common;

use common::{data, events, ids, read_all, read_now};
use sse_tower_core::{
    Emitters, EventId, History, Lag, LastEventId, Second, SseEmitter, SseEvent, TrySendError,
};
use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Waker},
    time::Duration,
};

fn fresh() -> LastEventId {
    LastEventId::default()
}

/// With what a client comes back that got this.
fn last_of(text: &str) -> LastEventId {
    LastEventId::read(ids(text).last().unwrap().as_bytes())
}

#[tokio::test]
async fn a_key_that_was_forgotten_and_used_again_tells_of_the_loss() {
    let emitters = Emitters::<u64>::new();
    let seen = emitters.send(&1, "seen").await.unwrap().id;
    emitters.send(&1, "lost").await.unwrap();
    emitters.forget(&1);
    emitters.send(&1, "new").await.unwrap();
    let text = read_now(&mut emitters.connect(1, seen.into()).into_stream());
    assert_eq!(data(&text), [r#"{"reason":"history","missed":null}"#, "new"]);
}

#[tokio::test]
async fn over_the_total_the_oldest_event_of_all_keys_goes_first() {
    let emitters: Emitters<&str> =
        Emitters::builder().history(History::events(1)).total(3, 1 << 20).build();
    for (key, text) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("c", "c1"), ("d", "d1")] {
        emitters.send(&key, text).await.unwrap();
    }
    let left = |key| data(&read_now(&mut emitters.connect(key, fresh()).into_stream()));
    assert_eq!([left("a"), left("b"), left("c"), left("d")].concat(), ["a2", "c1", "d1"]);
}

/// Fails instead of hanging where paused time never moves because some task is always busy.
fn moves_time(test: impl Future<Output = ()> + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(test);
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(20)).expect("a task spins, or the test failed");
}

#[test]
fn an_old_event_that_was_read_costs_no_time_afterwards() {
    moves_time(async {
        let emitters: Emitters<u64> = Emitters::builder().history(History::none()).build();
        let mut stream = emitters.connect(1, fresh()).into_stream();
        emitters.send(&1, "x").await.unwrap();
        assert_eq!(data(&read_now(&mut stream)), ["x"]);
        tokio::time::sleep(Duration::from_secs(3600)).await;
    });
}

#[test]
fn old_events_that_a_slow_reader_still_wants_cost_no_time() {
    moves_time(async {
        let emitters: Emitters<u64> =
            Emitters::builder().history(History::none()).without_keep_alive().build();
        let mut stream = emitters.connect(1, fresh()).into_stream();
        for n in 0..100 {
            emitters.send(&1, n.to_string()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(data(&read_now(&mut stream)).len(), 100);
    });
}

#[tokio::test]
async fn a_connection_to_two_emitters_hears_both() {
    let (quiet, busy) = (Emitters::<u64>::new(), Emitters::<u64>::new());
    let emitter = SseEmitter::new();
    quiet.insert(1, &emitter);
    busy.insert(1, &emitter);
    let mut stream = emitter.into_stream();
    busy.send(&1, "x").await.unwrap();
    assert_eq!(data(&read_now(&mut stream)), ["x"]);
    quiet.send(&1, "y").await.unwrap();
    assert_eq!(data(&read_now(&mut stream)), ["y"]);
}

#[tokio::test]
async fn two_connections_with_the_same_own_id_do_not_resume_from_each_other() {
    let emitters = Emitters::<u64>::new();
    let greeting = || SseEvent::builder().id("hello").data("");
    let first = emitters.connect(1, fresh());
    first.send(greeting()).await.unwrap();
    read_now(&mut first.into_stream());
    emitters.send(&1, "missed").await.unwrap();
    let second = emitters.connect(1, fresh());
    second.send(greeting()).await.unwrap();
    let _second = read_now(&mut second.into_stream());
    let text =
        read_now(&mut emitters.connect(1, EventId::from_static("hello").into()).into_stream());
    assert_eq!(events(&text), ["stream-reset"], "{text}");
}

#[tokio::test]
async fn an_own_event_before_the_history_comes_before_it() {
    let emitters = Emitters::<u64>::new();
    let emitter = SseEmitter::new();
    emitter.send(SseEvent::builder().id("hello").data("hello")).await.unwrap();
    emitters.send(&1, "history").await.unwrap();
    emitters.insert(1, &emitter);
    assert_eq!(data(&read_now(&mut emitter.into_stream())), ["hello", "history"]);
}

#[tokio::test]
async fn inserting_at_a_complete_key_ends_nothing_else() {
    let emitters = Emitters::<u64>::new();
    emitters.complete(&1);
    let emitter = emitters.connect(2, fresh());
    emitters.insert(1, &emitter);
    assert!(!emitter.is_closed());
    emitters.send(&2, "x").await.unwrap();
    emitters.complete(&2);
    assert_eq!(data(&read_all(emitter.into_stream()).await), ["x"]);
}

#[cfg(feature = "http")]
#[tokio::test]
async fn what_was_queued_before_inserting_at_a_complete_key_is_written() {
    let emitters = Emitters::<u64>::new();
    emitters.complete(&1);
    let emitter = SseEmitter::new();
    emitter.send("hello").await.unwrap();
    emitters.insert(1, &emitter);
    let response = emitter.into_http();
    assert_eq!(response.status(), 200);
    assert_eq!(data(&read_all(response.into_body()).await), ["hello"]);

    let nothing_queued = SseEmitter::new();
    emitters.insert(1, &nothing_queued);
    assert_eq!(nothing_queued.into_http().status(), 204);
}

#[tokio::test]
async fn an_emitter_that_is_over_replaces_nobody() {
    let emitters: Emitters<u64> = Emitters::builder().one_per_key(Second::Replaces).build();
    let first = emitters.connect(1, fresh());
    let over = SseEmitter::new();
    drop(over.clone().into_stream());
    emitters.insert(1, &over);
    assert!(!first.is_closed());
    assert_eq!(emitters.len(), 1);
}

#[tokio::test]
async fn an_emitter_inserted_twice_does_not_replace_itself() {
    for second in [Second::Replaces, Second::Refused] {
        let emitters: Emitters<u64> = Emitters::builder().one_per_key(second).build();
        let emitter = SseEmitter::new();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (emitters, emitter) = (emitters.clone(), emitter.clone());
                std::thread::spawn(move || emitters.insert(1, &emitter))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(!emitter.is_closed());
        assert_eq!(emitters.len(), 1);
    }
}

#[tokio::test]
async fn closed_waits_for_a_callback_that_still_runs() {
    let emitter = SseEmitter::new();
    let was_ready = Arc::new(Mutex::new(None));
    let (inner, note) = (emitter.clone(), Arc::clone(&was_ready));
    emitter.on_completion(move |_| {
        let closed = pin!(inner.closed()).poll(&mut Context::from_waker(Waker::noop()));
        *note.lock().unwrap() = Some(closed.is_ready());
    });
    drop(emitter.clone().into_stream());
    assert_eq!(*was_ready.lock().unwrap(), Some(false));
    emitter.closed().await;
}

#[tokio::test]
async fn emitters_that_go_end_no_connection_that_follows_others() {
    let (gone, stays) = (Emitters::<u64>::new(), Emitters::<u64>::new());
    let emitter = SseEmitter::new();
    gone.insert(1, &emitter);
    stays.insert(1, &emitter);
    gone.complete(&1);
    drop(gone);
    assert!(!emitter.is_closed());
    stays.complete(&1);
    assert!(emitter.is_closed());
}

#[tokio::test]
async fn the_own_queue_is_bounded_also_while_shared_events_wait() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::none()).backlog(1000, 64 << 20).build();
    let emitter = emitters.connect(1, fresh());
    let mut stream = emitter.clone().into_stream();
    for _ in 0..50 {
        emitters.send(&1, "s".repeat(60 * 1024)).await.unwrap();
    }
    let mut queued = 0;
    for _ in 0..20 {
        loop {
            match emitter.try_send("mine") {
                Ok(()) => queued += 1,
                Err(TrySendError::Full(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let item = futures_core::Stream::poll_next(
            pin!(&mut stream),
            &mut Context::from_waker(Waker::noop()),
        );
        assert!(item.is_ready());
    }
    assert!(queued <= 2 * sse_tower_core::DEFAULT_CAPACITY_EVENTS, "{queued}");
    let rest = data(&read_now(&mut stream));
    assert_eq!(rest.iter().filter(|text| *text == "mine").count(), queued);
}

#[tokio::test]
async fn catching_up_with_many_names_is_quick() {
    let emitters: Emitters<u64> = Emitters::builder()
        .history(History::events(20_000).bytes(64 << 20))
        .lag(Lag::Latest)
        .build();
    let mut stream = emitters.connect(1, fresh()).into_stream();
    for n in 0..20_100 {
        let event = SseEvent::builder().name(format!("name {n}")).data("x");
        emitters.send(&1, event).await.unwrap();
    }
    let before = std::time::Instant::now();
    assert_eq!(events(&read_now(&mut stream)).len(), 20_001);
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_slow_reader_of_a_key_that_was_completed_is_told_of_its_loss() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::none()).backlog(2, 1 << 20).lag(Lag::Close).build();
    let mut stream = emitters.connect(1, fresh()).into_stream();
    for n in 0..5 {
        emitters.send(&1, n.to_string()).await.unwrap();
    }
    emitters.complete(&1);
    assert_eq!(data(&read_now(&mut stream)), [r#"{"reason":"lagged","missed":3}"#, "3", "4"]);
}

#[tokio::test]
async fn a_loss_that_was_told_is_not_told_again() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::none()).backlog(2, 1 << 20).build();
    let emitter = emitters.connect(1, fresh());
    for n in 0..5 {
        emitters.send(&1, n.to_string()).await.unwrap();
    }
    emitters.forget(&1);
    let mut stream = emitter.into_stream();
    let text = read_now(&mut stream);
    assert_eq!(data(&text), [r#"{"reason":"lagged","missed":5}"#]);
    let _stays = emitters.connect(1, fresh());
    drop(stream);
    assert_eq!(read_now(&mut emitters.connect(1, last_of(&text)).into_stream()), ":\n");
}

#[tokio::test]
async fn a_key_that_is_completed_again_ends_no_connection_to_others() {
    let emitters = Emitters::<u64>::new();
    let emitter = emitters.connect_many([1, 2], fresh());
    emitters.complete(&1);
    emitters.forget(&1);
    emitters.complete(&1);
    assert!(!emitter.is_closed());
    emitters.complete(&2);
    assert!(emitter.is_closed());
}

#[tokio::test]
async fn a_loss_that_was_told_when_it_came_back_is_not_told_again() {
    let emitters: Emitters<u64> = Emitters::builder().history(History::none()).build();
    let _stays = emitters.connect(1, fresh());
    let seen = emitters.send(&1, "seen").await.unwrap().id;
    emitters.send(&1, "lost").await.unwrap();
    emitters.forget(&1);
    let text = read_now(&mut emitters.connect(1, seen.into()).into_stream());
    assert_eq!(data(&text), [r#"{"reason":"history","missed":1}"#]);
    assert_eq!(read_now(&mut emitters.connect(1, last_of(&text)).into_stream()), ":\n");
}

#[tokio::test]
async fn a_slow_reader_that_is_closed_comes_back_from_where_it_stands() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::events(1)).backlog(1, 1 << 20).lag(Lag::Close).build();
    let emitter = emitters.connect(1, fresh());
    for n in 0..3 {
        emitters.send(&1, n.to_string()).await.unwrap();
    }
    let text = read_all(emitter.into_stream()).await;
    assert_eq!(data(&text), [r#"{"reason":"lagged"}"#]);
    let text = read_now(&mut emitters.connect(1, last_of(&text)).into_stream());
    assert_eq!(data(&text), [r#"{"reason":"history","missed":2}"#, "2"]);
}
