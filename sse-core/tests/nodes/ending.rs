//! Keys that are complete, and connections that have to go.

use sse_tower_core::{
    CloseReason, Second, SendError, SseEmitter, SseEvent, backplane::MemoryStore,
};

use crate::{
    builder,
    common::{data, read_all, read_now},
    emitters, node, nodes, none, open, read, send, settle,
};

#[tokio::test(start_paused = true)]
async fn completion_ends_streams_on_all_nodes_and_is_an_error_to_later_sends() {
    let [a, b] = nodes();
    let stream = open(&b, 7, none()).await;
    drop(a.send(&7, "delivered"));
    a.complete(&7);
    assert_eq!(data(&read_all(stream).await), ["delivered"]);
    for node in [&a, &b] {
        let Err(SendError::Closed { event, reason, .. }) = node.send(&7, "late").await else {
            panic!("accepted");
        };
        assert_eq!((event, reason), (SseEvent::data("late"), CloseReason::Completed));
    }
    b.forget(&7);
    send(&a, 7, "again").await;
    let mut stream = open(&b, 7, none()).await;
    assert_eq!(read(&mut stream).await, ["again"], "the history is gone too");
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_comes_three_times_on_two_nodes_pushes_once() {
    let [a, b] = nodes();
    let stream = open(&b, 7, none()).await;
    for node in [&a, &b, &a] {
        drop(node.send(&7, "paid"));
        node.complete(&7);
        settle().await;
    }
    assert_eq!(data(&read_all(stream).await), ["paid"]);
}

#[tokio::test(start_paused = true)]
async fn disconnect_ends_streams_on_all_nodes_which_may_come_back() {
    let [a, b] = nodes();
    let streams = [open(&a, 7, none()).await, open(&b, 7, none()).await];
    let last = send(&a, 7, "x").await;
    a.disconnect(&7);
    for stream in streams {
        assert_eq!(data(&read_all(stream).await), ["x"]);
    }
    let mut back = open(&b, 7, last.into()).await;
    send(&a, 7, "y").await;
    assert_eq!(read(&mut back).await, ["y"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_connect_at_the_same_instant_on_two_nodes_one_stays() {
    for _ in 0..20 {
        let store = MemoryStore::new();
        let build = || builder(&node(&store)).one_per_key(Second::Replaces).build();
        let (a, b) = (build(), build());
        settle().await;
        let connections = [a.connect(7, none()), b.connect(7, none())];
        settle().await;
        let open: Vec<_> = connections.iter().filter(|emitter| !emitter.is_closed()).collect();
        assert_eq!(open.len(), 1, "both nodes agree on one");
        assert_eq!(a.len() + b.len(), 2, "the other one's stream has yet to end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_connection_on_another_node_takes_the_place() {
    let store = MemoryStore::new();
    let build = || builder(&node(&store)).one_per_key(Second::Replaces).build();
    let (a, b) = (build(), build());
    let first = open(&a, 7, none()).await;
    let mut second = open(&b, 7, none()).await;
    let text = read_all(first).await;
    assert!(text.starts_with("retry:86400000\nevent:stream-bye\n"), "{text}");
    send(&a, 7, "x").await;
    assert_eq!(read(&mut second).await, ["x"]);
    // And once more on the same node.
    let mut third = open(&b, 7, none()).await;
    assert_eq!(data(&read_all(second).await), [r#"{"reason":"replaced"}"#]);
    send(&a, 7, "y").await;
    assert_eq!(read(&mut third).await, ["x", "y"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_seen_everything_is_told_never_to_come_back() {
    let store = MemoryStore::new();
    let (a, b) = (emitters(&node(&store)), emitters(&node(&store)));
    let last = send(&a, 7, "delivered").await;
    a.complete(&7);
    settle().await;
    // The head is out before it is known.
    let mut stream = b.connect(7, last.clone().into()).into_stream();
    assert_eq!(read_now(&mut stream), ":\n");
    let text = read_all(stream).await;
    assert!(text.starts_with("retry:86400000\nevent:stream-bye\n"), "{text}");
    // Known by now.
    let emitter: SseEmitter = b.connect(7, last.into());
    settle().await;
    assert_eq!(read_all(emitter.into_stream()).await, "");
}

#[tokio::test(start_paused = true)]
async fn closing_writes_what_is_queued() {
    let store = MemoryStore::new();
    let here = node(&store);
    let (a, b) = (emitters(&here), emitters(&node(&store)));
    let mut stream = open(&b, 7, none()).await;
    let sent: Vec<_> = (0..500).map(|n| a.send(&7, n.to_string())).collect();
    here.close().await;
    for sent in sent {
        assert!(sent.await.is_ok());
    }
    assert!(matches!(a.send(&7, "late").await, Err(SendError::Backplane { .. })));
    assert_eq!(read(&mut stream).await.len(), 500);
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_writes_what_is_queued() {
    let store = MemoryStore::new();
    let b = emitters(&node(&store));
    let mut stream = open(&b, 7, none()).await;
    {
        let here = node(&store);
        drop(emitters(&here).send(&7, "the last word"));
    }
    assert_eq!(read(&mut stream).await, ["the last word"]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_after_the_call_of_a_disconnect_is_not_ended_by_it() {
    let [a, b] = nodes();
    // Of a key that this node follows already, and of one that it does not.
    let first = open(&a, 7, none()).await;
    for key in [7, 8] {
        a.disconnect(&key);
        let mut second = a.connect(key, none()).into_stream();
        settle().await;
        send(&b, key, "to the second").await;
        assert_eq!(read(&mut second).await, ["to the second"], "key {key}");
        b.disconnect(&key);
        settle().await;
        assert!(read_all(second).await.is_empty(), "another one ends it");
    }
    assert!(read_all(first).await.is_empty(), "it was there before");
}
