//! What each connection gets from a keyed log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{task::Poll, time::Duration};

use common::{data, events, ids, read_all, read_now};
use sse_tower_core::{
    CloseReason, Emitters, EventId, History, Lag, LastEventId, Second, SendError, SseEmitter,
    SseEvent,
};
use tokio_test::task;

fn fresh() -> LastEventId {
    LastEventId::default()
}

#[tokio::test]
async fn an_event_without_an_id_gets_one_after_its_fields() {
    let emitters = Emitters::<u64>::new();
    let mut stream = emitters.connect(1, fresh()).into_stream();
    let id = emitters.send(&1, "支付成功").await.unwrap().id;
    assert_eq!(read_now(&mut stream), format!("data:支付成功\nid:{id}\n\n"));
    let token = id.as_str();
    assert!(token.starts_with("1.") && token.len() < 64);
    assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-'));
}

#[tokio::test]
async fn an_own_id_is_kept_and_can_be_resumed_from() {
    let emitters = Emitters::<u64>::new();
    for n in 1..=3 {
        let event = SseEvent::builder().data(format!("data{n}")).id(n.to_string());
        assert_eq!(emitters.send(&1, event).await.unwrap().id.as_str(), n.to_string());
    }
    let last = LastEventId::from(EventId::from_static("1"));
    let mut stream = emitters.connect(1, last).into_stream();
    assert_eq!(read_now(&mut stream), "data:data2\nid:2\n\ndata:data3\nid:3\n\n");
}

#[tokio::test]
async fn an_event_sent_before_the_client_came_is_delivered() {
    let emitters = Emitters::<u64>::new();
    assert_eq!(emitters.send(&1, "early").await.unwrap().receivers, 0);
    let mut stream = emitters.connect(1, fresh()).into_stream();
    assert_eq!(data(&read_now(&mut stream)), ["early"]);
}

#[tokio::test]
async fn replay_then_live_has_no_gap_and_no_repeat() {
    let emitters = Emitters::<u64>::new();
    let first = emitters.send(&1, "1").await.unwrap().id;
    emitters.send(&1, "2").await.unwrap();
    let mut stream = emitters.connect(1, first.into()).into_stream();
    emitters.send(&1, "3").await.unwrap();
    assert_eq!(data(&read_now(&mut stream)), ["2", "3"]);
    emitters.send(&1, "4").await.unwrap();
    assert_eq!(data(&read_now(&mut stream)), ["4"]);
}

#[tokio::test]
async fn one_id_resumes_a_stream_on_any_set_of_keys() {
    let emitters = Emitters::<&'static str>::new();
    emitters.send(&"a", "1").await.unwrap();
    let seen = emitters.send(&"b", "2").await.unwrap().id;
    emitters.send(&"a", "3").await.unwrap();
    emitters.send(&"c", "4").await.unwrap();
    emitters.send(&"b", "5").await.unwrap();
    let mut stream = emitters.connect_many(["c", "a", "b"], seen.into()).into_stream();
    assert_eq!(data(&read_now(&mut stream)), ["3", "4", "5"]);
}

#[tokio::test]
async fn an_event_to_all_comes_once_to_a_connection_with_several_keys() {
    let emitters = Emitters::<u64>::new();
    let mut both = emitters.connect_many([1, 2], fresh()).into_stream();
    let mut one = emitters.connect(1, fresh()).into_stream();
    assert_eq!(emitters.send_all("all").await.unwrap().receivers, 2);
    assert_eq!(data(&read_now(&mut both)), ["all"]);
    assert_eq!(data(&read_now(&mut one)), ["all"]);
}

#[tokio::test]
async fn an_event_for_one_connection_keeps_its_place_among_the_shared_ones() {
    let emitters = Emitters::<u64>::new();
    let emitter = emitters.connect(1, fresh());
    emitters.send(&1, "shared 1").await.unwrap();
    emitter.send("mine").await.unwrap();
    emitters.send(&1, "shared 2").await.unwrap();
    let mut stream = emitter.into_stream();
    assert_eq!(data(&read_now(&mut stream)), ["shared 1", "mine", "shared 2"]);
}

#[tokio::test]
async fn a_client_with_the_id_of_an_event_for_it_alone_is_reset_once() {
    let emitters = Emitters::<u64>::new();
    let emitter = emitters.connect(1, fresh());
    emitters.send(&1, "before").await.unwrap();
    emitter.send(SseEvent::builder().id("hello").data("")).await.unwrap();
    let mut stream = emitter.into_stream();
    assert_eq!(ids(&read_now(&mut stream)).last().unwrap(), "hello");
    drop(stream);
    emitters.send(&1, "missed").await.unwrap();
    let mut stream = emitters.connect(1, EventId::from_static("hello").into()).into_stream();
    let text = read_now(&mut stream);
    assert_eq!(data(&text), [r#"{"reason":"unknown"}"#]);
    let told = EventId::try_from(ids(&text)[0].clone()).unwrap();
    emitters.send(&1, "later").await.unwrap();
    let mut stream = emitters.connect(1, told.into()).into_stream();
    assert_eq!(data(&read_now(&mut stream)), ["later"]);
}

#[tokio::test]
async fn completing_a_key_ends_its_streams_and_answers_the_next_dial_with_nothing() {
    let emitters = Emitters::<u64>::new();
    let emitter = emitters.connect(1, fresh());
    let id = emitters.send(&1, "last").await.unwrap().id;
    emitters.complete(&1);
    assert!(emitter.is_closed());
    assert_eq!(data(&read_all(emitter.clone().into_stream()).await), ["last"]);
    assert_eq!(emitter.closed().await, CloseReason::Completed);

    let again = emitters.connect(1, id.into());
    assert_eq!(read_all(again.into_stream()).await, "");
    let late = emitters.connect(1, fresh());
    assert_eq!(data(&read_all(late.into_stream()).await), ["last"]);
}

#[cfg(feature = "http")]
#[tokio::test]
async fn a_client_that_has_seen_everything_of_a_complete_key_gets_204() {
    let emitters = Emitters::<u64>::new();
    let id = emitters.send(&1, "last").await.unwrap().id;
    emitters.complete(&1);
    assert_eq!(emitters.connect(1, id.into()).into_http().status(), 204);
    assert_eq!(emitters.connect(1, fresh()).into_http().status(), 200);
    // Nothing was ever sent here: there is nothing to miss.
    emitters.complete(&2);
    assert_eq!(emitters.connect(2, fresh()).into_http().status(), 204);
}

#[cfg(feature = "http")]
#[tokio::test]
async fn a_client_of_a_complete_key_that_was_told_of_a_loss_is_not_told_for_ever() {
    let emitters: Emitters<u64> = Emitters::builder().history(History::none()).build();
    let seen = emitters.send(&1, "seen").await.unwrap().id;
    emitters.send(&1, "lost").await.unwrap();
    emitters.complete(&1);
    let text = read_all(emitters.connect(1, seen.into()).into_stream()).await;
    assert_eq!(events(&text), ["stream-gap"]);
    let id = EventId::try_from(ids(&text)[0].clone()).unwrap();
    assert_eq!(emitters.connect(1, id.into()).into_http().status(), 204);
}

#[tokio::test]
async fn sending_to_a_complete_key_gives_the_event_back() {
    let emitters = Emitters::<u64>::new();
    emitters.complete(&1);
    let Err(SendError::Closed { event, reason, .. }) = emitters.send(&1, "late").await else {
        panic!("accepted");
    };
    assert_eq!((event, reason), (SseEvent::data("late"), CloseReason::Completed));
    emitters.forget(&1);
    assert!(emitters.send(&1, "again").await.is_ok());
}

#[tokio::test]
async fn a_history_that_no_longer_reaches_back_says_how_many_are_missing() {
    let emitters: Emitters<u64> = Emitters::builder().history(History::events(2)).build();
    let seen = emitters.send(&1, "0").await.unwrap().id;
    for n in 1..=5 {
        emitters.send(&1, n.to_string()).await.unwrap();
    }
    let text = read_now(&mut emitters.connect(1, seen.into()).into_stream());
    assert_eq!(data(&text), [r#"{"reason":"history","missed":3}"#, "4", "5"]);
    assert_eq!(events(&text), ["stream-gap"]);
    let told = EventId::try_from(ids(&text)[0].clone()).unwrap();
    let text = read_now(&mut emitters.connect(1, told.into()).into_stream());
    assert_eq!(data(&text), ["4", "5"], "it is told once");
}

#[tokio::test]
async fn an_id_that_means_nothing_here_resets_and_then_goes_on_live() {
    let emitters = Emitters::<u64>::new();
    emitters.send(&1, "old").await.unwrap();
    for last in [
        LastEventId::from(EventId::from_static("who knows")),
        LastEventId::read(b"\xff\xfe"),
        LastEventId::read(&[b'a'; 5000]),
    ] {
        let mut stream = emitters.connect(1, last).into_stream();
        assert_eq!(events(&read_now(&mut stream)), ["stream-reset"]);
        emitters.send(&1, "new").await.unwrap();
        assert_eq!(data(&read_now(&mut stream)), ["new"]);
    }
}

#[tokio::test]
async fn a_position_of_another_life_resets_and_then_gets_what_this_one_has() {
    let emitters = Emitters::<u64>::new();
    emitters.send(&1, "of this life").await.unwrap();
    let other = Emitters::<u64>::new().position();
    let forged = EventId::try_from(format!("{}9", emitters.position())).unwrap();
    for last in [other, forged] {
        let mut stream = emitters.connect(1, last.into()).into_stream();
        let text = read_now(&mut stream);
        assert_eq!(data(&text), [r#"{"reason":"epoch"}"#, "of this life"]);
    }
}

#[tokio::test]
async fn a_forged_id_replays_no_event_of_another_key() {
    let emitters = Emitters::<u64>::new();
    let of_another = emitters.send(&1, "secret").await.unwrap().id;
    emitters.send(&1, "secret too").await.unwrap();
    emitters.send(&2, "mine").await.unwrap();
    let text = read_now(&mut emitters.connect(2, of_another.into()).into_stream());
    assert_eq!(data(&text), ["mine"]);
}

#[tokio::test]
async fn a_position_closes_the_gap_between_rendering_and_connecting() {
    let emitters = Emitters::<u64>::new();
    emitters.send(&1, "in the page").await.unwrap();
    let position = emitters.position();
    emitters.send(&1, "after the page").await.unwrap();
    let mut stream = emitters.connect(1, position.into()).into_stream();
    assert_eq!(data(&read_now(&mut stream)), ["after the page"]);
}

#[tokio::test]
async fn a_ready_event_comes_after_the_history() {
    let emitters: Emitters<u64> = Emitters::builder().ready_event().build();
    emitters.send(&1, "old").await.unwrap();
    let mut stream = emitters.connect(1, fresh()).into_stream();
    emitters.send(&1, "new").await.unwrap();
    let text = read_now(&mut stream);
    assert_eq!(data(&text), ["old", r#"{"replayed":1,"complete":true}"#, "new"]);
}

#[tokio::test]
async fn a_slow_reader_is_told_how_many_it_missed_and_goes_on() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::none()).backlog(3, 1 << 20).build();
    let mut slow = emitters.connect(1, fresh()).into_stream();
    for n in 0..10 {
        emitters.send(&1, n.to_string()).await.unwrap();
    }
    let text = read_now(&mut slow);
    assert_eq!(data(&text), [r#"{"reason":"lagged","missed":7}"#, "7", "8", "9"]);
}

#[tokio::test]
async fn a_slow_reader_can_be_closed_and_resumes_from_the_history() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::events(3)).backlog(3, 1 << 20).lag(Lag::Close).build();
    let emitter = emitters.connect(1, fresh());
    for n in 0..10 {
        emitters.send(&1, n.to_string()).await.unwrap();
    }
    let text = read_all(emitter.clone().into_stream()).await;
    assert_eq!(events(&text), ["stream-bye"]);
    assert_eq!(emitter.closed().await, CloseReason::Lagged);
}

/// Ends what falls behind by more than three events.
fn ending() -> Emitters<u64> {
    Emitters::builder().history(History::none()).backlog(3, 1 << 20).lag(Lag::Close).build()
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_nobody_polls_is_ended_when_its_backlog_is_over() {
    let emitters = ending();
    let stalled = emitters.connect(1, fresh());
    let mut stream = stalled.clone().into_stream();
    let mut quick = emitters.connect(1, fresh()).into_stream();
    let unread = emitters.connect(1, fresh());
    emitters.send(&1, "first").await.unwrap();
    read_now(&mut stream);
    let (told, mut reasons) = tokio::sync::mpsc::unbounded_channel();
    stalled.on_completion(move |reason| assert!(told.send(reason).is_ok()));
    for n in 0..3 {
        emitters.send(&1, n.to_string()).await.unwrap();
        read_now(&mut quick);
    }
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(reasons.try_recv().ok(), None, "it is behind by its backlog, and not by more");
    emitters.send(&1, "one too many").await.unwrap();
    read_now(&mut quick);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(reasons.try_recv().ok(), Some(CloseReason::Lagged));
    assert_eq!(unread.closed().await, CloseReason::Lagged);
    assert_eq!(emitters.len(), 1);
    let receipt = emitters.send(&1, "later").await.unwrap();
    assert_eq!(receipt.receivers, 1);
    assert_eq!(data(&read_now(&mut quick)), ["later"]);

    // Should the client read after all, it is told, and comes back from where it was.
    let text = read_all(stream).await;
    assert_eq!(events(&text), ["stream-bye"]);
    assert_eq!((data(&text), ids(&text).len()), (vec![r#"{"reason":"lagged"}"#.to_owned()], 1));
    // Another one has its own place in the log, before the old one is dropped and after.
    let mut another = emitters.connect(1, fresh()).into_stream();
    drop((quick, unread));
    emitters.send(&1, "for the other").await.unwrap();
    assert_eq!(data(&read_now(&mut another)), ["for the other"]);
    assert_eq!(emitters.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_told_of_gaps_stays_though_nobody_polls_it() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::none()).backlog(3, 1 << 20).build();
    let stalled = emitters.connect(1, fresh());
    let mut stream = stalled.clone().into_stream();
    for n in 0..10 {
        emitters.send(&1, n.to_string()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(emitters.len(), 1);
    let text = read_now(&mut stream);
    assert_eq!(data(&text), [r#"{"reason":"lagged","missed":7}"#, "7", "8", "9"]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_two_keys_that_nobody_polls_is_over_and_leaves_each_when_that_overtakes_it() {
    let emitters = ending();
    let stalled = emitters.connect_many([1, 2], fresh());
    let _stream = stalled.clone().into_stream();
    for key in [1, 2] {
        for n in 0..4 {
            emitters.send(&key, n.to_string()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!emitters.contains(&key));
    }
    assert_eq!((emitters.len(), stalled.closed().await), (0, CloseReason::Lagged));
}

#[tokio::test]
async fn a_slow_reader_can_be_given_only_the_newest_of_each_name() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::none()).backlog(6, 1 << 20).lag(Lag::Latest).build();
    let mut slow = emitters.connect(1, fresh()).into_stream();
    for n in 0..5 {
        emitters.send(&1, SseEvent::builder().name("price").data(n.to_string())).await.unwrap();
        emitters.send(&1, SseEvent::builder().name("volume").data(n.to_string())).await.unwrap();
    }
    let text = read_now(&mut slow);
    assert_eq!(events(&text), ["stream-gap", "price", "volume"]);
    assert_eq!(data(&text), [r#"{"reason":"latest","missed":8}"#, "4", "4"]);
}

#[tokio::test]
async fn a_second_connection_replaces_the_first_which_is_told_not_to_come_back() {
    let emitters: Emitters<u64> = Emitters::builder().one_per_key(Second::Replaces).build();
    let first = emitters.connect(1, fresh());
    let second = emitters.connect(1, fresh());
    let text = read_all(first.clone().into_stream()).await;
    let bye = "retry:86400000\nevent:stream-bye\ndata:{\"reason\":\"replaced\"}\nid:1.";
    assert!(text.starts_with(bye), "{text}");
    assert_eq!(first.closed().await, CloseReason::Replaced);
    // The end of the old one removes nothing of the new one.
    assert!(emitters.contains(&1));
    emitters.send(&1, "for the second").await.unwrap();
    assert_eq!(data(&read_now(&mut second.into_stream())), ["for the second"]);
}

#[tokio::test]
async fn a_second_connection_can_be_refused() {
    let emitters: Emitters<u64> = Emitters::builder().one_per_key(Second::Refused).build();
    let _first = emitters.connect(1, fresh());
    let second = emitters.connect(1, fresh());
    assert_eq!(events(&read_all(second.clone().into_stream()).await), ["stream-bye"]);
    assert_eq!(second.closed().await, CloseReason::Refused);
    assert_eq!(emitters.len(), 1);
}

#[tokio::test]
async fn of_many_who_come_at_once_one_stays() {
    let emitters: Emitters<u64> = Emitters::builder().one_per_key(Second::Replaces).build();
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let emitters = emitters.clone();
            std::thread::spawn(move || emitters.connect(1, LastEventId::default()))
        })
        .collect();
    let all: Vec<SseEmitter> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(all.iter().filter(|emitter| !emitter.is_closed()).count(), 1);
}

#[tokio::test]
async fn a_head_request_opens_nothing_and_replaces_nobody() {
    let emitters: Emitters<u64> = Emitters::builder().one_per_key(Second::Replaces).build();
    let first = emitters.connect(1, fresh());
    let head = emitters.connect(1, LastEventId::of_head_request());
    assert_eq!(read_all(head.into_stream()).await, "");
    assert!(!first.is_closed());
    assert_eq!(emitters.len(), 1);
}

#[tokio::test]
async fn an_inserted_emitter_follows_the_key_from_its_history_on() {
    let emitters = Emitters::<u64>::new();
    emitters.send(&1, "early").await.unwrap();
    let emitter = SseEmitter::new();
    emitter.send("hello").await.unwrap();
    emitters.insert(1, &emitter);
    emitters.insert(1, &emitter);
    assert_eq!(emitters.len(), 1);
    let mut stream = emitter.into_stream();
    emitters.send(&1, "late").await.unwrap();
    let mut seen = data(&read_now(&mut stream));
    seen.sort();
    assert_eq!(seen, ["early", "hello", "late"]);
}

#[tokio::test]
async fn disconnecting_a_key_remembers_nothing() {
    let emitters = Emitters::<u64>::new();
    let emitter = emitters.connect(1, fresh());
    emitters.disconnect(&1);
    assert_eq!(read_all(emitter.into_stream()).await, "");
    assert!(!emitters.connect(1, fresh()).is_closed());
}

#[tokio::test]
async fn a_connection_to_two_keys_ends_with_the_second() {
    let emitters = Emitters::<u64>::new();
    let emitter = emitters.connect_many([1, 2], fresh());
    emitters.complete(&1);
    assert!(!emitter.is_closed());
    emitters.send(&2, "still here").await.unwrap();
    emitters.complete(&2);
    assert_eq!(data(&read_all(emitter.into_stream()).await), ["still here"]);
}

#[tokio::test]
async fn streams_end_when_nobody_can_send_any_more() {
    let emitters = Emitters::<u64>::new();
    let stream = emitters.connect(1, fresh()).into_stream();
    emitters.send(&1, "last").await.unwrap();
    drop(emitters);
    assert_eq!(data(&read_all(stream).await), ["last"]);
}

#[tokio::test]
async fn dropping_the_response_leaves_the_key() {
    let emitters = Emitters::<u64>::new();
    let stream = emitters.connect(1, fresh()).into_stream();
    assert_eq!((emitters.len(), emitters.keys()), (1, vec![1]));
    drop(stream);
    assert_eq!((emitters.len(), emitters.keys()), (0, vec![]));
    let emitter = emitters.connect(1, fresh());
    drop(emitter);
    assert!(!emitters.contains(&1));
}

#[tokio::test(start_paused = true)]
async fn history_is_forgotten_with_age_without_anybody_asking() {
    use std::time::Duration;
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::events(10).age(Duration::from_secs(60))).build();
    let seen = emitters.position();
    emitters.send(&1, "old").await.unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    let mut stream = emitters.connect(1, fresh()).into_stream();
    assert_eq!(read_now(&mut stream), ":\n");
    let text = read_now(&mut emitters.connect(1, seen.into()).into_stream());
    assert_eq!(data(&text), [r#"{"reason":"history","missed":1}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_client_that_comes_back_is_not_told_of_a_gap() {
    use std::time::Duration;
    let emitters = Emitters::<u64>::new();
    let mut stream = emitters.connect(1, fresh()).into_stream();
    let seen = emitters.send(&1, "only").await.unwrap().id;
    read_now(&mut stream);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    drop(stream);
    for n in 2..100 {
        emitters.send(&n, "elsewhere").await.unwrap();
    }
    let mut stream = emitters.connect(1, seen.into()).into_stream();
    assert_eq!(read_now(&mut stream), ":\n");
}

#[tokio::test]
async fn all_keys_together_are_bounded() {
    let emitters: Emitters<u64> = Emitters::builder().total(10, 1 << 20).build();
    for key in 0..20 {
        emitters.send(&key, "x").await.unwrap();
    }
    assert_eq!(read_now(&mut emitters.connect(0, fresh()).into_stream()), ":\n");
    assert_eq!(data(&read_now(&mut emitters.connect(19, fresh()).into_stream())), ["x"]);
}

#[tokio::test]
async fn many_readers_are_counted_at_once_and_woken_soon() {
    let emitters = Emitters::<u64>::new();
    let handles: Vec<_> = (0..1000).map(|_| emitters.connect(1, fresh())).collect();
    let mut streams: Vec<_> = handles.iter().map(|emitter| emitter.clone().into_stream()).collect();
    let mut woken: Vec<_> = streams.iter_mut().map(task::spawn).collect();
    for stream in &mut woken {
        // It opens, and waits.
        assert!(stream.poll_next().is_ready() && stream.poll_next().is_pending());
    }
    handles[3].complete();
    handles[999].complete();
    let sent = emitters.send(&1, "event");
    let receipt = sent.await.unwrap();
    assert_eq!(receipt.receivers, 998);
    // Nobody was woken on the publisher's time.
    assert_eq!(woken.iter().filter(|stream| stream.is_woken()).count(), 2);
    while woken.iter().any(|stream| !stream.is_woken()) {
        tokio::task::yield_now().await;
    }
    for (number, stream) in woken.iter_mut().enumerate() {
        let Poll::Ready(got) = stream.poll_next() else { panic!("{number} was woken for nothing") };
        assert_eq!(got.is_some(), number != 3 && number != 999);
    }
}

#[test]
fn many_readers_are_woken_even_if_the_publishers_runtime_stops_at_once() {
    let emitters = Emitters::<u64>::new();
    let streams = (0..1000).map(|_| emitters.connect(1, fresh()).into_stream());
    let mut woken: Vec<_> = streams.map(task::spawn).collect();
    for stream in &mut woken {
        // It opens, and waits.
        assert!(stream.poll_next().is_ready() && stream.poll_next().is_pending());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        emitters.send(&1, "event").await.unwrap();
    });
    assert!(woken.iter().all(|stream| !stream.is_woken()));
    drop(runtime);
    assert!(woken.iter().all(|stream| stream.is_woken()));
}

#[tokio::test]
async fn an_event_during_a_walk_reaches_also_those_who_were_woken_before_it() {
    let emitters = Emitters::<u64>::new();
    let streams = (0..1000).map(|_| emitters.connect(1, fresh()).into_stream());
    let mut woken: Vec<_> = streams.map(task::spawn).collect();
    for stream in &mut woken {
        // It opens, and waits.
        assert!(stream.poll_next().is_ready() && stream.poll_next().is_pending());
    }
    emitters.send(&1, "one").await.unwrap();
    while !woken[0].is_woken() {
        tokio::task::yield_now().await;
    }
    assert!(woken[0].poll_next().is_ready());
    assert!(woken[0].poll_next().is_pending());
    emitters.send(&1, "two").await.unwrap();
    for stream in &mut woken {
        let mut got = Vec::new();
        while got.last().is_none_or(|last: &String| last != "two") {
            match stream.poll_next() {
                Poll::Ready(bytes) => {
                    got.extend(data(std::str::from_utf8(&bytes.unwrap()).unwrap()));
                }
                Poll::Pending => {
                    while !stream.is_woken() {
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn whoever_was_away_gets_what_went_to_all_in_its_place() {
    let emitters = Emitters::<u64>::new();
    let seen = emitters.send(&1, "1").await.unwrap().id;
    emitters.send_all("to all").await.unwrap();
    emitters.send(&1, "2").await.unwrap();
    emitters.send_all("to all again").await.unwrap();
    let mut stream = emitters.connect(1, seen.into()).into_stream();
    assert_eq!(data(&read_now(&mut stream)), ["to all", "2", "to all again"]);
    // And once, however often somebody comes.
    let mut stream = emitters.connect(1, fresh()).into_stream();
    assert_eq!(data(&read_now(&mut stream)), ["1", "to all", "2", "to all again"]);
}

#[tokio::test]
async fn what_went_to_all_comes_to_a_key_that_nobody_ever_sent_to() {
    let emitters = Emitters::<u64>::new();
    let position = emitters.position();
    drop(emitters.connect(1, fresh()));
    emitters.send_all("to all").await.unwrap();
    let mut stream = emitters.connect_many([1, 2], position.into()).into_stream();
    assert_eq!(data(&read_now(&mut stream)), ["to all"]);
}

#[tokio::test]
async fn what_went_to_all_and_is_gone_is_told_to_whoever_was_away() {
    let emitters: Emitters<u64> = Emitters::builder().history(History::events(2)).build();
    let position = emitters.position();
    for n in 1..=3 {
        emitters.send_all(n.to_string()).await.unwrap();
    }
    let mut stream = emitters.connect(1, position.into()).into_stream();
    let text = read_now(&mut stream);
    assert_eq!(events(&text), ["stream-gap"]);
    assert_eq!(data(&text)[1..], ["2", "3"]);
}

#[tokio::test]
async fn nothing_that_went_to_all_comes_after_the_end_of_a_key_or_from_before_it_was_forgotten() {
    let emitters = Emitters::<u64>::new();
    emitters.send_all("before").await.unwrap();
    emitters.complete(&1);
    emitters.send_all("after").await.unwrap();
    let text = read_all(emitters.connect(1, fresh()).into_stream()).await;
    assert_eq!(data(&text), ["before"]);
    emitters.forget(&1);
    let mut stream = emitters.connect(1, fresh()).into_stream();
    assert_eq!(data(&read_now(&mut stream)).len(), 0);
    emitters.send_all("later").await.unwrap();
    assert_eq!(data(&read_now(&mut stream)), ["later"]);
}

#[tokio::test]
async fn from_the_beginning_is_told_what_of_it_is_gone() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::events(2)).ready_event().build();
    emitters.send(&1, "1").await.unwrap();
    emitters.send(&1, "2").await.unwrap();
    let mut whole = emitters.connect(1, LastEventId::earliest()).into_stream();
    let text = read_now(&mut whole);
    assert_eq!(events(&text), ["stream-ready"]);
    assert!(text.contains("{\"replayed\":2,\"complete\":true}"), "{text}");
    emitters.send(&1, "3").await.unwrap();
    let mut cut = emitters.connect(1, LastEventId::earliest()).into_stream();
    let text = read_now(&mut cut);
    assert_eq!(events(&text), ["stream-gap", "stream-ready"]);
    assert!(text.contains("{\"reason\":\"history\",\"missed\":1}"), "{text}");
}

#[tokio::test]
async fn a_first_visit_is_told_whether_the_history_was_cut_before_it() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::events(2)).ready_event().build();
    for (sent, complete) in [(0, true), (2, true), (1, false)] {
        for _ in 0..sent {
            emitters.send(&1, "x").await.unwrap();
        }
        let text = read_now(&mut emitters.connect(1, fresh()).into_stream());
        assert_eq!(events(&text), ["stream-ready"]);
        assert!(text.contains(&format!("\"complete\":{complete}")), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_never_was_is_whole_though_others_were_forgotten() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::none()).ready_event().build();
    emitters.send(&1, "x").await.unwrap();
    tokio::time::sleep(sse_tower_core::MEMORY_AGE + Duration::from_secs(1)).await;
    let text = read_now(&mut emitters.connect(2, LastEventId::earliest()).into_stream());
    assert_eq!(events(&text), ["stream-ready"]);
    let text = read_now(&mut emitters.connect(1, LastEventId::earliest()).into_stream());
    assert_eq!(events(&text), ["stream-gap", "stream-ready"]);
}
