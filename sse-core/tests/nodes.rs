//! What each call means with a backplane: emitters of two and three nodes over one store.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{data, events, ids, next, read_all, read_now};
use sse_tower_core::{
    ApplicationContext, ApplicationEvent, CloseReason, Emitters, EmittersBuilder, EventId,
    EventStream, History, Lag, LastEventId, Second, SendError, SseEmitter, SseEvent,
    backplane::{
        Epoch, Health, MAX_RECORD_BYTES, MAX_WAIT, MemoryEngine, MemoryStore, Node, NodeOptions,
        memory::Mend,
    },
};
use tokio::time::{Instant, sleep};

fn node(store: &MemoryStore) -> Node {
    Node::new(store.engine(), NodeOptions::default())
}

fn builder(node: &Node) -> EmittersBuilder<u64> {
    Emitters::builder().without_keep_alive().backplane(node, "payments")
}

fn emitters(node: &Node) -> Emitters<u64> {
    builder(node).build()
}

/// Emitters on so many nodes over one store.
fn nodes<const N: usize>() -> [Emitters<u64>; N] {
    let store = MemoryStore::new();
    [(); N].map(|()| emitters(&node(&store)))
}

fn engine_and_emitters(
    store: &MemoryStore,
) -> (sse_tower_core::backplane::memory::NodeFaults, Node) {
    let engine: MemoryEngine = store.engine();
    (engine.faults(), Node::new(engine, NodeOptions::default()))
}

/// Lets everything that can happen now happen.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

async fn open(emitters: &Emitters<u64>, key: u64, last: LastEventId) -> EventStream {
    let stream = emitters.connect(key, last).into_stream();
    settle().await;
    stream
}

fn none() -> LastEventId {
    LastEventId::default()
}

/// What comes next and is more than a comment.
async fn next_event(stream: &mut EventStream) -> String {
    loop {
        let text = next(stream).await.unwrap();
        if text != ":\n" {
            return text;
        }
    }
}

async fn read(stream: &mut EventStream) -> Vec<String> {
    settle().await;
    data(&read_now(stream))
}

async fn send(emitters: &Emitters<u64>, key: u64, text: &str) -> EventId {
    emitters.send(&key, text).await.unwrap().id
}

#[tokio::test(start_paused = true)]
async fn an_event_sent_on_one_node_reaches_a_stream_on_another() {
    let [a, b] = nodes();
    let mut stream = open(&b, 7, none()).await;
    let receipt = a.send(&7, "paid").await.unwrap();
    assert_eq!(receipt.receivers, 0, "none on this node");
    let text = next(&mut stream).await.unwrap();
    assert_eq!((data(&text), ids(&text)), (vec!["paid".to_owned()], vec![receipt.id.to_string()]));
}

#[tokio::test(start_paused = true)]
async fn emitters_of_one_name_at_one_node_are_like_two_nodes() {
    let node = node(&MemoryStore::new());
    let (a, b, other) = (
        emitters(&node),
        emitters(&node),
        Emitters::<u64>::builder().backplane(&node, "parcels").build(),
    );
    let mut stream = open(&b, 7, none()).await;
    let mut elsewhere = open(&other, 7, none()).await;
    send(&a, 7, "paid").await;
    assert_eq!(read(&mut stream).await, ["paid"]);
    assert!(read(&mut elsewhere).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn all_nodes_see_one_order_however_many_send() {
    let [a, b, c] = nodes();
    let mut streams =
        [open(&a, 7, none()).await, open(&b, 7, none()).await, open(&c, 7, none()).await];
    for n in 0..30 {
        drop([&a, &b, &c][n % 3].send(&7, n.to_string()));
        if n % 5 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let seen =
        [read(&mut streams[0]).await, read(&mut streams[1]).await, read(&mut streams[2]).await];
    assert_eq!(seen[0].len(), 30);
    assert!(seen.iter().all(|other| *other == seen[0]));
    // And the sends of one process keep their order.
    let of_a: Vec<_> = seen[0].iter().filter(|n| n.parse::<u32>().unwrap() % 3 == 0).collect();
    assert!(of_a.is_sorted_by_key(|n| n.parse::<u32>().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn receivers_counts_this_node() {
    let [a, b] = nodes();
    let streams = [open(&a, 7, none()).await, open(&a, 7, none()).await, open(&b, 7, none()).await];
    assert_eq!(a.send(&7, "x").await.unwrap().receivers, 2);
    assert_eq!(b.send(&7, "x").await.unwrap().receivers, 1);
    assert_eq!(a.send_all("x").await.unwrap().receivers, 2);
    drop(streams);
}

#[tokio::test(start_paused = true)]
async fn a_send_is_done_by_the_call_awaited_or_not_also_without_a_runtime() {
    let [a, b] = nodes();
    let mut stream = open(&b, 7, none()).await;
    drop(a.send(&7, "dropped"));
    let sender = a.clone();
    std::thread::spawn(move || drop(sender.send(&7, "from a thread"))).join().unwrap();
    assert_eq!(read(&mut stream).await, ["dropped", "from a thread"]);
}

#[test]
fn a_node_that_is_opened_without_a_runtime_has_one_of_its_own() {
    let node = node(&MemoryStore::new());
    let (a, b) = (emitters(&node), emitters(&node));
    let stream = b.connect(7, none());
    drop(a.send(&7, "paid"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut stream = stream.into_stream();
        assert_eq!(data(&next_event(&mut stream).await), ["paid"]);
        node.close().await;
        assert!(matches!(a.send(&7, "late").await, Err(SendError::Backplane { .. })));
    });
}

#[tokio::test(start_paused = true)]
async fn an_id_of_its_own_travels() {
    let [a, b] = nodes();
    let event = SseEvent::builder().name("paid").id("6666").data("哈哈").build().unwrap();
    let receipt = a.send(&7, event).await.unwrap();
    a.send(&7, "more").await.unwrap();
    assert_eq!(receipt.id.as_str(), "6666");
    let mut stream = open(&b, 7, none()).await;
    let text = read_now(&mut stream);
    assert!(text.starts_with("event:paid\nid:6666\ndata:哈哈\n\n"), "{text}");
    let mut resumed = open(&b, 7, receipt.id.into()).await;
    assert_eq!(read(&mut resumed).await, ["more"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_to_all_reaches_all_keys_of_all_nodes_once_and_who_comes_back_gets_it() {
    let [a, b] = nodes();
    let mut one = open(&a, 1, none()).await;
    let mut both = b.connect_many([1, 2], none()).into_stream();
    settle().await;
    let first = send(&a, 1, "first").await;
    let all = b.send_all("all").await.unwrap();
    send(&b, 1, "last").await;
    assert_eq!(read(&mut one).await, ["first", "all", "last"]);
    assert_eq!(read(&mut both).await, ["first", "all", "last"]);
    // On a node that never had this key.
    let mut back = open(&a, 2, all.id.into()).await;
    assert!(read(&mut back).await.is_empty());
    let mut back = open(&b, 1, first.into()).await;
    assert_eq!(read(&mut back).await, ["all", "last"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_to_all_is_in_its_place_on_a_node_that_comes_later() {
    let store = MemoryStore::new();
    let a = emitters(&node(&store));
    let keep = open(&a, 7, none()).await;
    let first = send(&a, 7, "first").await;
    a.send_all("all").await.unwrap();
    send(&a, 7, "last").await;
    let b = emitters(&node(&store));
    let mut back = open(&b, 7, first.into()).await;
    assert_eq!(read(&mut back).await, ["all", "last"]);
    drop(keep);
}

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

#[tokio::test(start_paused = true)]
async fn a_client_goes_on_at_another_node() {
    let [a, b, c] = nodes();
    let mut stream = open(&a, 7, none()).await;
    let seen = send(&c, 7, "seen").await;
    assert_eq!(read(&mut stream).await, ["seen"]);
    drop(stream);
    send(&c, 7, "missed").await;
    let mut stream = open(&b, 7, seen.into()).await;
    send(&a, 7, "new").await;
    assert_eq!(read(&mut stream).await, ["missed", "new"]);
}

#[tokio::test(start_paused = true)]
async fn one_number_resumes_several_keys_on_a_node_that_never_saw_the_client() {
    let [a, b] = nodes();
    let mut stream = a.connect_many([1, 2, 3], none()).into_stream();
    settle().await;
    send(&a, 1, "a").await;
    let seen = send(&b, 2, "b").await;
    assert_eq!(read(&mut stream).await, ["a", "b"]);
    for (key, text) in [(3, "c"), (1, "d"), (3, "e"), (2, "f")] {
        send(&a, key, text).await;
    }
    let mut resumed = b.connect_many([3, 2, 1], seen.into()).into_stream();
    settle().await;
    send(&a, 2, "g").await;
    settle().await;
    let text = read_now(&mut resumed);
    assert_eq!(data(&text), ["c", "d", "e", "f", "g"]);
    assert!(ids(&text).is_sorted(), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_first_visit_gets_the_history() {
    let store = MemoryStore::new();
    let build = || builder(&node(&store)).history(History::events(3)).build();
    let (a, b) = (build(), build());
    for n in 0..5 {
        send(&a, 7, &n.to_string()).await;
    }
    // By then the other node knows how far the store is.
    sleep(Duration::from_secs(3)).await;
    let mut stream = open(&b, 7, none()).await;
    assert_eq!(read(&mut stream).await, ["2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_with_its_count_where_the_store_still_knows() {
    let store = MemoryStore::new();
    let build = || builder(&node(&store)).history(History::events(3)).build();
    let (a, b) = (build(), build());
    let seen = send(&a, 7, "seen").await;
    for n in 0..7 {
        send(&a, 7, &n.to_string()).await;
    }
    sleep(Duration::from_secs(3)).await;
    let mut stream = open(&b, 7, seen.clone().into()).await;
    let text = read_now(&mut stream);
    assert_eq!(data(&text), [r#"{"reason":"history","missed":4}"#, "4", "5", "6"]);
    for n in 7..100 {
        send(&a, 7, &n.to_string()).await;
    }
    let c = build();
    let mut stream = open(&c, 7, seen.into()).await;
    let text = read_now(&mut stream);
    assert_eq!(data(&text), [r#"{"reason":"history","missed":null}"#, "97", "98", "99"]);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_key_tells_no_gap() {
    let [a, b] = nodes();
    let seen = send(&a, 7, "seen").await;
    for n in 0..1000 {
        drop(a.send(&(n + 100), "other"));
    }
    settle().await;
    let mut stream = open(&b, 7, seen.into()).await;
    assert_eq!(events(&read_now(&mut stream)), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn slow_readers_are_told_as_without_a_backplane() {
    let store = MemoryStore::new();
    let build =
        |lag| builder(&node(&store)).history(History::none()).backlog(2, 1 << 20).lag(lag).build();
    let (a, gap, close) = (build(Lag::Gap), build(Lag::Gap), build(Lag::Close));
    let mut told = open(&gap, 7, none()).await;
    let ended = open(&close, 7, none()).await;
    for n in 0..5 {
        send(&a, 7, &n.to_string()).await;
    }
    settle().await;
    assert_eq!(data(&read_now(&mut told)), [r#"{"reason":"lagged","missed":3}"#, "3", "4"]);
    assert_eq!(data(&read_all(ended).await), [r#"{"reason":"lagged"}"#]);
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
async fn who_looks_sees_this_node() {
    let [a, b] = nodes();
    let waiting = a.connect(7, none());
    assert!(a.contains(&7) && a.len() == 1 && a.keys() == [7], "one that waits counts");
    assert!(!b.contains(&7) && b.is_empty());
    settle().await;
    assert_eq!(a.len(), 1);
    drop(waiting);
    assert!(a.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_handles_are_gone_while_it_waits_goes_on() {
    let store = MemoryStore::new();
    let (faults, slow) = engine_and_emitters(&store);
    faults.slow_loads(Duration::from_millis(300));
    let (a, b) = (emitters(&node(&store)), emitters(&slow));
    let emitter = b.connect(7, none());
    let mut stream = emitter.into_stream();
    assert_eq!(read(&mut stream).await, Vec::<String>::new());
    send(&a, 7, "x").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(read(&mut stream).await, ["x"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_while_a_connection_waits_is_not_lost_without_a_history() {
    let store = MemoryStore::new();
    let (faults, slow) = engine_and_emitters(&store);
    faults.slow_loads(Duration::from_millis(300));
    let build = |node: &Node| builder(node).history(History::none()).build();
    let (a, b) = (build(&node(&store)), build(&slow));
    send(&a, 7, "before").await;
    sleep(Duration::from_secs(3)).await;
    let mut stream = b.connect(7, none()).into_stream();
    send(&a, 7, "before it follows").await;
    sleep(Duration::from_millis(100)).await;
    send(&a, 7, "while it loads").await;
    sleep(Duration::from_secs(1)).await;
    send(&a, 7, "live").await;
    assert_eq!(read(&mut stream).await, ["before it follows", "while it loads", "live"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_ahead_of_its_node_waits_and_is_not_reset() {
    let store = MemoryStore::new();
    let (faults, late) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&late));
    let keep = open(&b, 7, none()).await;
    faults.hold_feed();
    send(&a, 7, "seen elsewhere").await;
    let seen = send(&a, 7, "seen too").await;
    let mut stream = open(&b, 7, seen.into()).await;
    send(&a, 7, "new").await;
    assert!(read(&mut stream).await.is_empty());
    faults.release_feed();
    assert_eq!(read(&mut stream).await, ["new"]);
    drop(keep);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_the_store_has_not_reached_is_a_reset() {
    let [a, b] = nodes();
    let seen = send(&a, 7, "x").await;
    let (epoch, position) = seen.as_str().rsplit_once('.').unwrap();
    let ahead = format!("{epoch}.{}", position.parse::<u64>().unwrap() + 1_000_000);
    let mut stream = open(&b, 7, EventId::try_from(ahead).unwrap().into()).await;
    assert_eq!(events(&read_now(&mut stream)), ["stream-reset"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_rendered_on_one_node_goes_on_at_another() {
    let [a, b] = nodes();
    send(&a, 7, "in the page").await;
    let rendered = a.position();
    send(&a, 7, "after").await;
    let mut stream = open(&b, 7, rendered.into()).await;
    assert_eq!(read(&mut stream).await, ["after"]);
    // A node that only listens is never older than its probe.
    sleep(Duration::from_secs(3)).await;
    let rendered = b.position();
    let mut stream = open(&a, 7, rendered.into()).await;
    assert!(read(&mut stream).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn streams_stay_while_the_engine_is_away_and_get_what_was_stored_meanwhile() {
    let store = MemoryStore::new();
    let (faults, cut) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&cut));
    let mut stream = open(&b, 7, none()).await;
    let health = cut.health();
    faults.away();
    send(&a, 7, "meanwhile").await;
    let waits = b.send(&7, "from the node that is cut off");
    settle().await;
    assert!(matches!(*health.borrow(), Health::Degraded { .. }));
    sleep(Duration::from_secs(3)).await;
    assert!(read(&mut stream).await.is_empty());
    faults.back();
    assert!(waits.await.is_ok());
    assert_eq!(read(&mut stream).await, ["meanwhile", "from the node that is cut off"]);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(*health.borrow(), Health::Up);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_waits_too_long_says_whether_it_may_be_stored() {
    let store = MemoryStore::new();
    let (faults, cut) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&cut));
    let mut stream = open(&a, 7, none()).await;
    faults.away();
    let under_way = b.send(&7, "under way");
    settle().await;
    let queued = b.send(&7, "queued");
    let began = Instant::now();
    let Err(SendError::Backplane { event, source, .. }) = under_way.await else {
        panic!("stored");
    };
    assert_eq!((event, source.is_unknown()), (SseEvent::data("under way"), true));
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    let Err(SendError::Backplane { event, source, .. }) = queued.await else { panic!("stored") };
    assert_eq!((event, source.is_unknown()), (SseEvent::data("queued"), false));
    settle().await;
    let health = cut.health();
    assert!(matches!(*health.borrow(), Health::Down { .. }));
    faults.back();
    sleep(Duration::from_secs(3)).await;
    // What was under way is stored once; what had only been queued is not.
    assert_eq!(read(&mut stream).await, ["under way"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_never_doubles() {
    let store = MemoryStore::new();
    let (faults, shaky) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&shaky));
    let mut stream = open(&a, 7, none()).await;
    for n in 0..10 {
        faults.fail_appends_after_storing(n % 3);
        faults.fail_appends_before_storing(n % 2);
        b.send(&7, n.to_string()).await.unwrap();
    }
    assert_eq!(read(&mut stream).await, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_had_is_refused_politely_after_five_seconds() {
    let store = MemoryStore::new();
    let (faults, cut) = engine_and_emitters(&store);
    let b = emitters(&cut);
    settle().await;
    faults.away();
    let began = Instant::now();
    let text = read_all(b.connect(7, none()).into_stream()).await;
    assert_eq!(began.elapsed(), MAX_WAIT);
    assert!(text.contains("retry:") && text.contains(r#"{"reason":"refused"}"#), "{text}");
    assert!(b.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_its_past_is_told_to_every_connection_then_it_is_live() {
    let store = MemoryStore::new();
    let [a, b] = [(); 2].map(|()| emitters(&node(&store)));
    let mut one = open(&a, 7, none()).await;
    let mut both = b.connect_many([7, 8], none()).into_stream();
    settle().await;
    let seen = send(&a, 7, "old").await;
    assert_eq!((read(&mut one).await.len(), read(&mut both).await.len()), (1, 1));
    store.faults().new_epoch(Epoch::new(77));
    let new = send(&b, 7, "new").await;
    for stream in [&mut one, &mut both] {
        settle().await;
        let text = read_now(stream);
        assert_eq!(events(&text), ["stream-reset"], "{text}");
        assert_eq!(data(&text), [r#"{"reason":"epoch"}"#, "new"]);
        assert_eq!(ids(&text), ["1.4d.0".to_owned(), new.to_string()], "it has seen nothing of it");
    }
    let mut back = open(&a, 7, seen.into()).await;
    assert_eq!(events(&read_now(&mut back)), ["stream-reset"]);
    let mut back = open(&a, 7, new.into()).await;
    send(&a, 7, "newer").await;
    assert_eq!(read(&mut back).await, ["newer"]);
}

#[tokio::test(start_paused = true)]
async fn a_last_message_that_the_feed_lost_is_noticed() {
    let store = MemoryStore::new();
    let (faults, shaky) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&shaky));
    let mut stream = open(&b, 7, none()).await;
    faults.lose(1);
    send(&a, 7, "the last").await;
    assert!(read(&mut stream).await.is_empty());
    sleep(Duration::from_secs(13)).await;
    assert_eq!(read(&mut stream).await, ["the last"]);
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_seen_by_what_comes_after_it() {
    let store = MemoryStore::new();
    let (faults, shaky) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&shaky));
    let mut stream = open(&b, 7, none()).await;
    faults.lose(1);
    send(&a, 7, "lost").await;
    send(&a, 7, "next").await;
    assert_eq!(read(&mut stream).await, ["lost", "next"]);
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_hears_nothing_any_more_is_replaced_within_six_seconds() {
    let store = MemoryStore::new();
    let (faults, deaf) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&deaf));
    let mut stream = open(&b, 7, none()).await;
    faults.deafen();
    send(&a, 7, "x").await;
    sleep(Duration::from_secs(6)).await;
    assert_eq!(read(&mut stream).await, ["x"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_feed_loses_nothing() {
    let store = MemoryStore::new();
    let (faults, broken) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&broken));
    let mut one = open(&b, 1, none()).await;
    let mut both = b.connect_many([1, 2], none()).into_stream();
    settle().await;
    send(&a, 1, "a").await;
    faults.break_feed();
    send(&a, 2, "b").await;
    send(&a, 1, "c").await;
    a.send_all("d").await.unwrap();
    send(&a, 2, "e").await;
    settle().await;
    faults.mend(Mend::default());
    send(&a, 1, "f").await;
    assert_eq!(read(&mut one).await, ["a", "c", "d", "f"]);
    settle().await;
    let text = read_now(&mut both);
    assert_eq!(data(&text), ["a", "b", "c", "d", "e", "f"]);
    assert!(ids(&text).is_sorted());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_forgotten_while_the_feed_was_broken_is_forgotten() {
    let store = MemoryStore::new();
    let (faults, broken) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&broken));
    let keep = open(&b, 7, none()).await;
    send(&a, 7, "old").await;
    settle().await;
    faults.break_feed();
    a.forget(&7);
    settle().await;
    faults.mend(Mend::default());
    settle().await;
    let mut stream = open(&b, 7, none()).await;
    assert!(read(&mut stream).await.is_empty());
    drop(keep);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_followed_for_a_while_after_its_last_connection_left() {
    let store = MemoryStore::new();
    let (faults, watched) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&watched));
    let stream = open(&b, 7, none()).await;
    let seen = send(&a, 7, "seen").await;
    drop(stream);
    send(&a, 7, "missed").await;
    sleep(Duration::from_secs(20)).await;
    // Nothing has to be loaded.
    faults.fail_loads(1000);
    let mut stream = open(&b, 7, seen.clone().into()).await;
    assert_eq!(read(&mut stream).await, ["missed"]);
    drop(stream);
    faults.fail_loads(0);
    sleep(Duration::from_secs(61)).await;
    send(&a, 7, "much later").await;
    let mut stream = open(&b, 7, seen.into()).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(read(&mut stream).await, ["missed", "much later"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_refused_at_once_and_certainly() {
    let [a] = nodes();
    let sent = a.send(&7, "x".repeat(MAX_RECORD_BYTES)).await;
    let Err(SendError::Backplane { source, .. }) = sent else { panic!("stored") };
    assert!(!source.is_unknown());
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

struct Paid(u64);
impl ApplicationEvent for Paid {}

#[tokio::test(start_paused = true)]
async fn a_publication_waits_for_a_listener_that_ends_with_a_send() {
    let store = MemoryStore::new();
    let (faults, cut) = engine_and_emitters(&store);
    let (a, context) = (emitters(&cut), ApplicationContext::bare().build().unwrap());
    let page = a.clone();
    context.on(move |paid: &Paid| page.send(&paid.0, "paid")).forever();
    settle().await;
    faults.away();
    let publication = tokio::spawn({
        let context = context.clone();
        async move { context.publish_event(Paid(7)).await }
    });
    sleep(Duration::from_secs(1)).await;
    assert!(!publication.is_finished());
    faults.back();
    assert!(publication.await.unwrap().is_ok());
    faults.away();
    let failed = context.publish_event(Paid(8)).await.unwrap_err();
    assert!(failed.failures()[0].source.downcast_ref::<SendError>().is_some());
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
async fn two_thousand_keys_are_loaded_in_a_few_round_trips() {
    let store = MemoryStore::new();
    let (faults, slow) = engine_and_emitters(&store);
    faults.slow_loads(Duration::from_millis(100));
    let (a, b) = (emitters(&node(&store)), emitters(&slow));
    settle().await;
    sleep(Duration::from_secs(1)).await;
    for key in 0..2000 {
        drop(a.send(&key, "x"));
    }
    let began = Instant::now();
    let mut streams: Vec<_> = (0..2000).map(|key| b.connect(key, none()).into_stream()).collect();
    for stream in &mut streams {
        assert_eq!(data(&next_event(stream).await), ["x"]);
    }
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
}

// Snapshots.

fn with_state(node: &Node, unread: &Arc<AtomicU64>) -> Emitters<u64> {
    let unread = Arc::clone(unread);
    let state = move |_: u64| {
        let now = unread.load(SeqCst);
        async move {
            sleep(Duration::from_millis(5)).await;
            Ok::<_, std::io::Error>(
                SseEvent::builder().name("state").data(now.to_string()).build().unwrap(),
            )
        }
    };
    builder(node).snapshot(state).snapshot_age(Duration::ZERO).build()
}

/// Everything that comes within a second.
async fn read_a_while(stream: &mut EventStream) -> String {
    let mut text = String::new();
    while let Ok(Some(more)) = tokio::time::timeout(Duration::from_secs(1), next(stream)).await {
        text.push_str(&more);
    }
    text
}

#[tokio::test(start_paused = true)]
async fn on_every_node_the_state_comes_first_and_then_what_changes_anywhere() {
    let (store, unread) = (MemoryStore::new(), Arc::new(AtomicU64::new(0)));
    let [one, other] = [(); 2].map(|()| with_state(&node(&store), &unread));
    unread.store(1, SeqCst);
    one.send(&1, "1").await.unwrap();
    let mut page = other.connect(1, none()).into_stream();
    let text = read_a_while(&mut page).await;
    assert_eq!((events(&text), data(&text)), (vec!["state".into()], vec!["1".into()]));
    unread.store(2, SeqCst);
    one.send(&1, "2").await.unwrap();
    let text = read_a_while(&mut page).await;
    assert_eq!(data(&text), ["2"]);
    // It goes on at the other one, which gives it no snapshot.
    let last = LastEventId::read(ids(&text)[0].as_bytes());
    drop(page);
    unread.store(3, SeqCst);
    other.send(&1, "3").await.unwrap();
    let mut page = one.connect(1, last).into_stream();
    assert_eq!(data(&read_a_while(&mut page).await), ["3"]);
}

#[tokio::test(start_paused = true)]
async fn when_the_store_loses_its_past_clients_get_the_state_and_no_reset() {
    let (store, unread) = (MemoryStore::new(), Arc::new(AtomicU64::new(7)));
    let emitters = with_state(&node(&store), &unread);
    emitters.send(&1, "7").await.unwrap();
    let mut page = emitters.connect_many([1, 2], none()).into_stream();
    let text = read_a_while(&mut page).await;
    assert_eq!(events(&text), ["state"; 2]);
    let before = ids(&text).pop().unwrap();
    store.faults().new_epoch(Epoch::new(78));
    unread.store(8, SeqCst);
    let text = read_a_while(&mut page).await;
    assert_eq!((events(&text), data(&text)), (vec!["state".into(); 2], vec!["8".into(); 2]));
    let after = ids(&text).pop().unwrap();
    assert_ne!(before.split('.').nth(1), after.split('.').nth(1), "of the new epoch");
    // And whoever comes back from the old one gets the state too.
    let mut back = emitters.connect(1, LastEventId::read(before.as_bytes())).into_stream();
    assert_eq!(events(&read_a_while(&mut back).await), ["state"]);
}

#[tokio::test(start_paused = true)]
async fn a_complete_key_of_a_backplane_gives_its_state_and_the_end() {
    let (store, unread) = (MemoryStore::new(), Arc::new(AtomicU64::new(7)));
    let [one, other] = [(); 2].map(|()| with_state(&node(&store), &unread));
    one.send(&1, "7").await.unwrap();
    one.complete(&1);
    settle().await;
    let text = read_all(other.connect(1, none()).into_stream()).await;
    assert_eq!((events(&text), data(&text)), (vec!["state".into()], vec!["7".into()]));
    let seen = LastEventId::read(ids(&text)[0].as_bytes());
    let text = read_all(other.connect(1, seen).into_stream()).await;
    assert_eq!(events(&text).len(), usize::from(!text.is_empty()), "{text}");
}
