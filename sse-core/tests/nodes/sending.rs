//! What a send does, from wherever it comes.

use std::time::Duration;

use sse_tower_core::{
    ApplicationContext, ApplicationEvent, Emitters, SendError, SseEvent,
    backplane::{Health, MAX_RECORD_BYTES, MemoryStore, Node, NodeOptions},
};
use tokio::time::{Instant, sleep};

use crate::{
    common::{data, ids, next, read_now},
    emitters, engine_and_emitters, next_event, node, nodes, none, open, read, send, settle,
};

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
async fn what_is_too_large_is_refused_at_once_and_certainly() {
    let [a] = nodes();
    let sent = a.send(&7, "x".repeat(MAX_RECORD_BYTES)).await;
    let Err(SendError::Backplane { source, .. }) = sent else { panic!("stored") };
    assert!(!source.is_unknown());
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
async fn a_send_may_wait_for_any_time() {
    for deadline in [Duration::ZERO, Duration::MAX] {
        let mut options = NodeOptions::default();
        options.deadline = deadline;
        let node = Node::new(MemoryStore::new().engine(), options);
        let emitters = emitters(&node);
        let sent = emitters.send(&7, "waits").await;
        assert!(sent.is_ok() || deadline.is_zero());
        // With nobody who waits for it.
        emitters.complete(&7);
        sleep(Duration::from_secs(1)).await;
        assert!(emitters.send(&7, "late").await.is_err());
        node.flush().await;
    }
}
