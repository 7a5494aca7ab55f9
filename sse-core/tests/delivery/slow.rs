//! Readers that fall behind.

use std::time::Duration;

use sse_tower_core::{CloseReason, Emitters, History, Lag, MAX_STALL, SseEvent};

use crate::{
    common::{data, events, ids, read_all, read_now},
    fresh,
};

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

/// Falls behind by more than three events, with this policy.
fn falling_behind(lag: Lag) -> Emitters<u64> {
    Emitters::builder().history(History::events(1)).backlog(3, 1 << 20).lag(lag).build()
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_nobody_polls_is_ended_when_its_backlog_is_over() {
    let emitters = falling_behind(Lag::Close);
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
    assert_eq!(data(&read_now(&mut another)), ["later", "for the other"]);
    assert_eq!(emitters.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_told_of_gaps_may_stall_for_a_while_and_is_over_then() {
    for lag in [Lag::Gap, Lag::Latest, Lag::Snapshot] {
        let emitters = falling_behind(lag);
        let stalled = emitters.connect(1, fresh());
        let mut stream = stalled.clone().into_stream();
        read_now(&mut stream);
        for n in 0..4 {
            emitters.send(&1, n.to_string()).await.unwrap();
        }
        tokio::time::sleep(MAX_STALL - Duration::from_millis(10)).await;
        let text = read_now(&mut stream);
        assert_eq!((emitters.len(), events(&text)[0].as_str()), (1, "stream-gap"), "{lag:?}");

        for n in 0..4 {
            emitters.send(&1, n.to_string()).await.unwrap();
        }
        // Looked for once in that time.
        tokio::time::sleep(2 * MAX_STALL).await;
        assert_eq!(emitters.len(), 0, "{lag:?}");
        assert_eq!(stalled.closed().await, CloseReason::Lagged);
        assert_eq!(emitters.send(&1, "later").await.unwrap().receivers, 0);
        let text = read_all(stream).await;
        assert_eq!((events(&text), ids(&text).len()), (vec!["stream-bye".to_owned()], 1));
        assert_eq!(data(&text), [r#"{"reason":"lagged"}"#]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_polled_from_time_to_time_stays_however_far_it_is_behind() {
    let emitters = falling_behind(Lag::Gap);
    let mut slow = emitters.connect(1, fresh()).into_stream();
    for _ in 0..5 {
        for n in 0..10 {
            emitters.send(&1, n.to_string()).await.unwrap();
        }
        tokio::time::sleep(MAX_STALL / 2).await;
        assert_eq!(events(&read_now(&mut slow))[0], "stream-gap");
    }
    assert_eq!(emitters.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn readers_that_stall_one_after_the_other_are_over_though_nothing_comes_any_more() {
    let emitters = falling_behind(Lag::Gap);
    let _early = emitters.connect(1, fresh()).into_stream();
    for n in 0..4 {
        emitters.send(&1, n.to_string()).await.unwrap();
    }
    tokio::time::sleep(MAX_STALL / 2).await;
    let _late = emitters.connect(1, fresh()).into_stream();
    for n in 0..4 {
        emitters.send(&1, n.to_string()).await.unwrap();
    }
    tokio::time::sleep(MAX_STALL).await;
    assert_eq!(emitters.len(), 1);
    tokio::time::sleep(MAX_STALL).await;
    assert_eq!(emitters.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_for_its_state_does_not_stall() {
    for lag in [Lag::Close, Lag::Snapshot] {
        let emitters: Emitters<u64> = Emitters::builder()
            .history(History::none())
            .backlog(3, 1 << 20)
            .lag(lag)
            .snapshot(|_| async {
                tokio::time::sleep(2 * MAX_STALL).await;
                Ok::<_, std::convert::Infallible>("state")
            })
            .snapshot_timeout(Duration::MAX)
            .build();
        let waits = emitters.connect(1, fresh());
        let reading = tokio::spawn(read_all(waits.into_stream()));
        for n in 0..10 {
            emitters.send(&1, n.to_string()).await.unwrap();
            tokio::time::sleep(MAX_STALL / 8).await;
        }
        assert_eq!(emitters.len(), 1, "{lag:?}");
        reading.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_two_keys_that_nobody_polls_is_over_and_leaves_each_when_that_overtakes_it() {
    let emitters = falling_behind(Lag::Close);
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
