//! What is forgotten, and when.

use sse_tower_core::{Emitters, History};

use crate::{
    common::{data, read_now},
    fresh,
};

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
