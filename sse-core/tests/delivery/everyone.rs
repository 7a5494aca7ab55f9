//! What went to all keys.

use sse_tower_core::{Emitters, History};

use crate::{
    common::{data, events, read_all, read_now},
    fresh,
};

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
