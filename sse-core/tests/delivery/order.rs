//! In what order events come, and with which ids.

use sse_tower_core::{Emitters, EventId, LastEventId, SseEvent};

use crate::{
    common::{data, ids, read_now},
    fresh,
};

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
