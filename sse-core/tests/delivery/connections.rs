//! Connections of a key: the second, one that is inserted, one that leaves.

use sse_tower_core::{CloseReason, Emitters, LastEventId, Second, SseEmitter};

use crate::{
    common::{data, events, read_all, read_now},
    fresh,
};

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
