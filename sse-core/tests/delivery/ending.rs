//! What is complete, and what its clients are told.

use sse_tower_core::{CloseReason, Emitters, EventId, History, SendError, SseEvent};

use crate::{
    common::{data, events, ids, read_all},
    fresh,
};

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
