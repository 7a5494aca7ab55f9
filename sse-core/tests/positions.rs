//! Where a client stands after what the library itself says: told once, nothing skipped.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{data, events, ids, read_all, read_now};
use sse_tower_core::{
    CloseReason, Emitters, EventId, History, Lag, LastEventId, Second, SseEvent, StreamHandle, bye,
};

fn fresh() -> LastEventId {
    LastEventId::default()
}

fn with(id: &str) -> LastEventId {
    LastEventId::read(id.as_bytes())
}

/// With what a client comes back that got this, and had `before`.
fn after(text: &str, before: &LastEventId) -> LastEventId {
    ids(text).last().map_or_else(|| before.clone(), |id| with(id))
}

fn hello() -> sse_tower_core::SseEventBuilder {
    SseEvent::builder().id("hello").data("hello")
}

fn of_another_life() -> LastEventId {
    with("1.dead.5")
}

#[tokio::test]
async fn every_control_event_has_an_id() {
    let emitters: Emitters<u64> = Emitters::builder().ready_event().build();
    let emitter = emitters.connect(1, of_another_life());
    emitter.control().end(CloseReason::Drained, Some(bye(CloseReason::Drained, None)));
    let text = read_all(emitter.into_stream()).await;
    assert_eq!(events(&text), ["stream-reset", "stream-ready", "stream-bye"]);
    assert_eq!(ids(&text), vec![emitters.position().to_string(); 3]);
}

#[tokio::test]
async fn a_client_that_got_nothing_but_a_farewell_does_not_get_the_history_again() {
    let emitters = Emitters::<u64>::new();
    let seen = emitters.send(&1, "seen").await.unwrap().id;
    let emitter = emitters.connect(1, seen.into());
    emitter.control().end(CloseReason::Drained, Some(bye(CloseReason::Drained, None)));
    let text = read_all(emitter.into_stream()).await;
    assert_eq!(read_now(&mut emitters.connect(1, after(&text, &fresh())).into_stream()), ":\n");
}

#[tokio::test]
async fn a_farewell_repeats_the_id_that_the_client_holds() {
    let emitters: Emitters<u64> = Emitters::builder().one_per_key(Second::Replaces).build();
    let row = |n: u64| SseEvent::builder().id(n.to_string()).data(n.to_string());
    for n in 1..=3 {
        emitters.send(&1, row(n)).await.unwrap();
    }
    // With an id of the program's, which is one of the log.
    let emitter = emitters.connect(1, with("3"));
    emitter.control().end(CloseReason::Drained, Some(bye(CloseReason::Drained, None)));
    assert_eq!(ids(&read_all(emitter.into_stream()).await), ["3"]);
    // With one that it got now, and one for it alone.
    let emitter = emitters.connect(1, with("2"));
    let text = read_now(&mut emitter.clone().into_stream());
    assert_eq!(ids(&text), ["3"]);
    let emitter = emitters.connect(1, with("2"));
    emitter.send(hello()).await.unwrap();
    emitter.control().end(CloseReason::Drained, Some(bye(CloseReason::Drained, None)));
    assert_eq!(ids(&read_all(emitter.into_stream()).await), ["3", "hello", "hello"]);
}

#[tokio::test]
async fn whoever_is_refused_is_given_back_the_id_that_it_sent() {
    let emitters: Emitters<u64> = Emitters::builder().one_per_key(Second::Refused).build();
    let seen = emitters.send(&1, "seen").await.unwrap().id;
    let _first = emitters.connect(1, fresh());
    for id in [seen.as_str(), "own", "1.dead.5"] {
        assert_eq!(ids(&read_all(emitters.connect(1, with(id)).into_stream()).await), [id]);
    }
    assert!(ids(&read_all(emitters.connect(1, fresh()).into_stream()).await).is_empty());
    let many = emitters.connect_many(0..2000, with("own"));
    assert_eq!(ids(&read_all(many.into_stream()).await), ["own"]);
}

#[tokio::test]
async fn a_client_whose_position_means_nothing_is_told_once_and_then_resumed() {
    for id in [of_another_life(), with("own"), LastEventId::read(b"\xff")] {
        let emitters = Emitters::<u64>::new();
        let text = read_now(&mut emitters.connect(1, id.clone()).into_stream());
        assert_eq!(events(&text), ["stream-reset"]);
        emitters.send(&1, "between").await.unwrap();
        let last = after(&text, &id);
        let text = read_now(&mut emitters.connect(1, last.clone()).into_stream());
        assert_eq!(data(&text), ["between"]);
        let text = read_now(&mut emitters.connect(1, after(&text, &last)).into_stream());
        assert_eq!(text, ":\n");
    }
}

#[tokio::test]
async fn a_gap_after_which_nothing_is_left_is_told_once() {
    let emitters: Emitters<u64> = Emitters::builder().history(History::none()).build();
    let seen = emitters.send(&1, "seen").await.unwrap().id;
    emitters.send(&1, "lost").await.unwrap();
    let text = read_now(&mut emitters.connect(1, seen.into()).into_stream());
    assert_eq!(data(&text), [r#"{"reason":"history","missed":1}"#]);
    let last = after(&text, &fresh());
    let mut stream = emitters.connect(1, last.clone()).into_stream();
    assert_eq!(read_now(&mut stream), ":\n");
    emitters.send(&1, "new").await.unwrap();
    assert_eq!(data(&read_now(&mut stream)), ["new"]);
}

/// Reads a stream again and again from each id that it gave, as if the connection broke there: nothing
/// that came behind is told or given other than the first time.
async fn breaks_nowhere(emitters: &Emitters<&'static str>, keys: &[&'static str], last: EventId) {
    let connect = |last: LastEventId| {
        read_now(&mut emitters.connect_many(keys.iter().copied(), last).into_stream())
    };
    let whole = connect(last.into());
    let blocks: Vec<_> = whole.split_terminator("\n\n").collect();
    for (n, block) in blocks.iter().enumerate() {
        let id = ids(block).pop().unwrap();
        let rest = connect(with(&id));
        let expected: Vec<_> = blocks[n + 1..].iter().map(|block| block.trim()).collect();
        let rest: Vec<_> = rest.split_terminator("\n\n").filter(|block| *block != ":\n").collect();
        assert_eq!(rest, expected, "after {block}");
    }
}

#[tokio::test]
async fn of_several_keys_what_is_missing_is_told_in_its_place() {
    let emitters: Emitters<&'static str> = Emitters::builder().history(History::events(2)).build();
    let seen = emitters.send(&"a", "0").await.unwrap().id;
    let sends = [
        ("b", "lost"),
        ("a", "a1"),
        ("b", "lost"),
        ("b", "lost"),
        ("a", "a2"),
        ("b", "lost"),
        ("b", "b1"),
        ("b", "b2"),
    ];
    for (key, text) in sends {
        emitters.send(&key, text).await.unwrap();
    }
    let text = read_now(&mut emitters.connect_many(["a", "b"], seen.clone().into()).into_stream());
    let gap = |missed: u8| format!(r#"{{"reason":"history","missed":{missed}}}"#);
    assert_eq!(data(&text), [&*gap(1), "a1", &*gap(2), "a2", &*gap(1), "b1", "b2"]);
    breaks_nowhere(&emitters, &["a", "b"], seen).await;
}

#[tokio::test]
async fn of_several_keys_each_may_miss_something() {
    let emitters: Emitters<&'static str> = Emitters::builder().history(History::events(1)).build();
    let seen = emitters.send(&"a", "0").await.unwrap().id;
    for _ in 0..3 {
        for key in ["a", "b", "c"] {
            emitters.send(&key, "x").await.unwrap();
        }
    }
    let text =
        read_now(&mut emitters.connect_many(["a", "b", "c"], seen.clone().into()).into_stream());
    assert_eq!(data(&text), [r#"{"reason":"history","missed":6}"#, "x", "x", "x"]);
    breaks_nowhere(&emitters, &["a", "b", "c"], seen).await;
}

#[tokio::test]
async fn a_reader_that_was_too_slow_is_told_once() {
    for keys in [&["a"][..], &["a", "b"]] {
        let emitters: Emitters<&'static str> =
            Emitters::builder().history(History::events(2)).backlog(2, 1 << 20).build();
        let mut stream = emitters.connect_many(keys.iter().copied(), fresh()).into_stream();
        for n in 0..5 {
            emitters.send(&"a", n.to_string()).await.unwrap();
        }
        let text = read_now(&mut stream);
        assert_eq!(data(&text), [r#"{"reason":"lagged","missed":3}"#, "3", "4"]);
        let gap = with(&ids(&text)[0]);
        let again = emitters.connect_many(keys.iter().copied(), gap);
        assert_eq!(data(&read_now(&mut again.into_stream())), ["3", "4"]);
    }
}

#[tokio::test]
async fn a_reader_that_gets_the_newest_of_each_name_is_told_once() {
    let emitters: Emitters<u64> = Emitters::builder()
        .history(History::events(3))
        .backlog(3, 1 << 20)
        .lag(Lag::Latest)
        .build();
    let mut stream = emitters.connect(1, fresh()).into_stream();
    for n in 0..6 {
        emitters.send(&1, SseEvent::builder().name("price").data(n.to_string())).await.unwrap();
    }
    let text = read_now(&mut stream);
    assert_eq!(data(&text), [r#"{"reason":"latest","missed":5}"#, "5"]);
    let again = emitters.connect(1, with(&ids(&text)[0]));
    assert_eq!(data(&read_now(&mut again.into_stream())), ["5"]);
}

#[tokio::test]
async fn after_a_restart_the_history_of_this_life_follows() {
    let emitters = Emitters::<u64>::new();
    emitters.send(&1, "paid").await.unwrap();
    let text = read_now(&mut emitters.connect(1, of_another_life()).into_stream());
    assert_eq!(data(&text), [r#"{"reason":"epoch"}"#, "paid"]);
    let again = emitters.connect(1, with(&ids(&text)[0]));
    assert_eq!(data(&read_now(&mut again.into_stream())), ["paid"], "nothing was skipped");
}

#[cfg(feature = "http")]
#[tokio::test]
async fn a_complete_key_is_not_dialled_for_ever_whatever_the_connection_got_of_its_own() {
    let emitters = Emitters::<u64>::new();
    emitters.send(&1, SseEvent::builder().id("x").data("x")).await.unwrap();
    emitters.send(&1, SseEvent::builder().id("x").data("x")).await.unwrap();
    let emitter = emitters.connect(1, with("hello"));
    emitter.send(hello()).await.unwrap();
    emitters.complete(&1);
    let mut last = after(&read_all(emitter.into_stream()).await, &fresh());
    for _ in 0..2 {
        let emitter = emitters.connect(1, last.clone());
        if emitter.clone().into_http().status() == 204 {
            return;
        }
        last = with(emitters.position().as_ref());
    }
    unreachable!("it comes back for ever");
}

// Ids that the program gives.

#[tokio::test]
async fn a_greeting_that_was_forgotten_is_no_place_to_go_on_from() {
    let emitters = Emitters::<u64>::new();
    let greeted = |key| {
        let emitters = emitters.clone();
        async move {
            let emitter = emitters.connect(key, fresh());
            emitter.send(hello()).await.unwrap();
            read_now(&mut emitter.into_stream())
        }
    };
    greeted(1).await;
    for n in 0..3 {
        emitters.send(&1, n.to_string()).await.unwrap();
    }
    for n in 0..8193 {
        let emitter = emitters.connect(2, fresh());
        emitter.send(SseEvent::builder().id(format!("unique {n}")).data("")).await.unwrap();
        read_now(&mut emitter.into_stream());
    }
    greeted(1).await;
    let text = read_now(&mut emitters.connect(1, with("hello")).into_stream());
    assert_eq!(events(&text), ["stream-reset"]);
}

#[tokio::test]
async fn a_greeting_of_the_life_before_is_no_place_to_go_on_from() {
    let emitters = Emitters::<u64>::new();
    for n in 0..3 {
        emitters.send(&1, n.to_string()).await.unwrap();
    }
    let other = emitters.connect(1, fresh());
    other.send(hello()).await.unwrap();
    read_now(&mut other.into_stream());
    let text = read_now(&mut emitters.connect(1, with("hello")).into_stream());
    assert_eq!(events(&text), ["stream-reset"]);
}

#[tokio::test]
async fn an_id_whose_first_use_has_left_the_history_is_no_place_to_go_on_from() {
    let emitters: Emitters<u64> = Emitters::builder().history(History::events(3)).build();
    let state = |id| SseEvent::builder().id(id).data(id);
    for id in ["on", "off", "1", "2", "on"] {
        emitters.send(&1, state(id)).await.unwrap();
    }
    let text = read_now(&mut emitters.connect(1, with("on")).into_stream());
    assert_eq!(events(&text), ["stream-reset"]);
}

#[tokio::test]
async fn numbers_of_rows_are_resumed_from_for_ever() {
    let emitters: Emitters<u64> = Emitters::builder().history(History::events(3)).build();
    for n in 1..=1000 {
        emitters.send(&1, SseEvent::builder().id(n.to_string()).data(n.to_string())).await.unwrap();
    }
    let text = read_now(&mut emitters.connect(1, with("998")).into_stream());
    assert_eq!(data(&text), ["999", "1000"]);
    let text = read_now(&mut emitters.connect(1, with("7")).into_stream());
    assert_eq!(events(&text), ["stream-reset"]);
}

#[tokio::test(start_paused = true)]
async fn an_id_of_a_key_that_was_forgotten_with_its_ids_is_no_place_to_go_on_from() {
    let emitters = Emitters::<u64>::new();
    let state = |id| SseEvent::builder().id(id).data(id);
    emitters.send(&1, state("on")).await.unwrap();
    tokio::time::sleep(sse_tower_core::MEMORY_AGE * 3).await;
    emitters.send(&1, "missed").await.unwrap();
    emitters.send(&1, state("on")).await.unwrap();
    let text = read_now(&mut emitters.connect(1, with("on")).into_stream());
    assert_eq!(events(&text), ["stream-reset"]);
    // Another key knows nothing of that.
    emitters.send(&2, state("on")).await.unwrap();
    assert_eq!(read_now(&mut emitters.connect(2, with("on")).into_stream()), ":\n");
}
