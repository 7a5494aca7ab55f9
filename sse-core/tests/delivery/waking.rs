//! Many readers are woken, whoever publishes.

use std::task::Poll;

use sse_tower_core::Emitters;
use tokio_test::task;

use crate::{common::data, fresh};

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
