//! From where a client goes on, and what it is told is missing.

use std::time::Duration;

use sse_tower_core::{Emitters, EventId, History, LastEventId};

use crate::{
    common::{data, events, ids, read_now},
    fresh,
};

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
