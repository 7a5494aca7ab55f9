//! What is counted, with the feature `metrics`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, routing::get};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use sse_tower::backplane::{Backplane, MemoryStore};
use sse_tower::{
    ApplicationEvent, Drain, Emitters, History, LastEventId, Limits, SseLayer, observe,
    test::TestClient,
};

/// Keeps the last or the summed value of everything, by name and labels.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<BTreeMap<String, f64>>>);

struct Line {
    ledger: Ledger,
    name: String,
}

impl Ledger {
    fn line(&self, key: &Key) -> Arc<Line> {
        let labels: Vec<_> = key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::new(Line { ledger: self.clone(), name })
    }

    fn get(&self, name: &str) -> f64 {
        self.0.lock().unwrap().get(name).copied().unwrap_or(0.0)
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }
}

impl Line {
    fn change(&self, by: f64) {
        *self.ledger.0.lock().unwrap().entry(self.name.clone()).or_default() += by;
    }

    fn set(&self, to: f64) {
        self.ledger.0.lock().unwrap().insert(self.name.clone(), to);
    }
}

impl CounterFn for Line {
    fn increment(&self, value: u64) {
        self.change(value as f64);
    }
    fn absolute(&self, value: u64) {
        self.set(value as f64);
    }
}

impl GaugeFn for Line {
    fn increment(&self, value: f64) {
        self.change(value);
    }
    fn decrement(&self, value: f64) {
        self.change(-value);
    }
    fn set(&self, value: f64) {
        Line::set(self, value);
    }
}

impl HistogramFn for Line {
    fn record(&self, value: f64) {
        self.change(value);
    }
}

impl Recorder for Ledger {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.line(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.line(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.line(key))
    }
}

fn client(context: &sse_tower::ApplicationContext, most: usize) -> TestClient {
    let slow = || async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        common::hello().await
    };
    let layer = SseLayer::new(context.clone()).limit(Limits::new().total(most));
    TestClient::new(Router::new().route("/push", get(slow)).layer(layer))
}

#[tokio::test(start_paused = true)]
async fn streams_are_counted_and_their_lifetime_is_apart_from_their_latency() {
    let ledger = Ledger::default();
    let _recording = metrics::set_default_local_recorder(&ledger);
    let context = common::context();
    let client = client(&context, 2);

    let gone = client.open("/push").await;
    let mut stays = client.open("/push").await;
    assert_eq!(ledger.get("sse_streams_open{}"), 2.0);
    client.open("/push").await;
    assert_eq!(ledger.get("sse_streams_refused_total{why=total}"), 1.0);
    tokio::time::sleep(Duration::from_secs(100)).await;
    drop(gone);
    assert_eq!(ledger.get("sse_streams_closed_total{reason=client-gone}"), 1.0);
    assert_eq!(ledger.get("sse_streams_open{}"), 1.0);
    // Two took 2 s to their headers; the first was open for 102 s.
    assert_eq!(ledger.get("sse_time_to_headers_seconds{}").round(), 4.0);
    assert_eq!(ledger.get("sse_stream_lifetime_seconds{}").round(), 102.0);

    stays.next_event().await;
    assert_eq!(ledger.get("sse_bytes_written_total{}"), "data:hello\n\n".len() as f64);
    let drain = tokio::spawn(context.drain().with(Drain::new()));
    context.streams().reached(sse_tower::DrainPhase::Draining).await;
    stays.rest().await;
    drain.await.unwrap();
    assert_eq!(ledger.get("sse_streams_closed_total{reason=drained}"), 1.0);
    assert_eq!(ledger.get("sse_streams_opened_total{}"), 2.0);
    assert_eq!(ledger.get("sse_drain_left{}"), 0.0);
    client.open("/push").await;
    assert_eq!(ledger.get("sse_streams_refused_total{why=draining}"), 1.0);
    assert_eq!(ledger.get("sse_streams_opened_total{}"), 2.0, "a refusal is no stream");
}

#[tokio::test(start_paused = true)]
async fn no_label_grows_with_the_number_of_streams() {
    let ledger = Ledger::default();
    let _recording = metrics::set_default_local_recorder(&ledger);
    let context = common::context();
    let client = client(&context, 100);
    drop(client.open("/push").await);
    let names = ledger.names();
    for _ in 0..50 {
        drop(client.open("/push").await);
    }
    assert_eq!(ledger.names(), names);
    assert!(names.iter().any(|name| name.starts_with(observe::STREAMS_OPENED)), "{names:?}");
}

fn panic_now() {
    panic!("on purpose")
}

struct Ordered;
impl ApplicationEvent for Ordered {}
struct Paid;
impl ApplicationEvent for Paid {}

#[tokio::test(start_paused = true)]
async fn publications_listeners_and_what_they_send_are_counted() {
    let ledger = Ledger::default();
    let _recording = metrics::set_default_local_recorder(&ledger);
    let context = common::context();
    let emitters = Emitters::<u8>::new();
    let (one, two) =
        (emitters.connect(1, LastEventId::default()), emitters.connect(1, LastEventId::default()));
    let _sends = context.on(move |_: &Paid| drop(emitters.send(&1, "paid")));
    let _fails = context.on(|_: &Paid| Err::<(), _>(std::io::Error::other("on purpose")));
    let _takes_time = context.on_async(|_: Arc<Paid>| tokio::time::sleep(Duration::from_secs(3)));
    let _panics_too = context.on(|_: &Paid| panic_now());
    let _panics = context.on_async(|_: Arc<Paid>| async { panic_now() });
    assert!(context.publish_event(Paid).await.is_err());

    let sum = |name: &str, label: &str| -> f64 {
        let ledger = ledger.0.lock().unwrap();
        let of = |key: &&String| key.starts_with(name) && key.contains(label);
        ledger.keys().filter(of).map(|key| ledger[key]).sum()
    };
    assert_eq!(sum(observe::EVENTS_PUBLISHED, "Paid"), 1.0);
    // An event of a transaction is published by its commit, once, and by a rollback never.
    let context = common::context();
    for commit in [true, false] {
        let transaction = context.transaction();
        transaction.publish_event(Ordered);
        if commit {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
    }
    assert_eq!(sum(observe::EVENTS_PUBLISHED, "Ordered"), 1.0);
    assert_eq!(sum(observe::LISTENERS_RUN, "outcome=ok"), 2.0);
    assert_eq!(sum(observe::LISTENERS_RUN, "outcome=failed"), 3.0);
    assert_eq!(sum(observe::LISTENER_TIME, "").round(), 3.0);
    assert_eq!(sum(observe::EVENTS_SENT, ""), 2.0);

    one.complete();
    two.complete();
    let written =
        common::text(one.into_stream()).await.len() + common::text(two.into_stream()).await.len();
    assert_eq!(sum(observe::BYTES_WRITTEN, ""), written as f64);
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_counted_with_what_is_missing() {
    let ledger = Ledger::default();
    let _recording = metrics::set_default_local_recorder(&ledger);
    let emitters = Emitters::<u8>::builder().history(History::events(2)).build();
    let first = emitters.send(&1, "0").await.unwrap().id;
    for number in 1..=5 {
        drop(emitters.send(&1, number.to_string()));
    }
    let late = emitters.connect(1, LastEventId::from(first));
    late.complete();
    let text = common::text(late.into_stream()).await;
    assert!(text.contains("event:stream-gap"), "{text}");
    assert_eq!(ledger.get("sse_gaps_total{reason=history}"), 1.0);
    assert_eq!(ledger.get("sse_events_missed_total{}"), 3.0);
}

#[tokio::test(start_paused = true)]
async fn the_queue_of_a_backplane_is_what_waits_to_be_stored() {
    let ledger = Ledger::default();
    let _recording = metrics::set_default_local_recorder(&ledger);
    let queue = || ledger.get("sse_backplane_queue{}");
    let engine = MemoryStore::new().engine();
    let faults = engine.faults();
    let backplane = Backplane::new(engine);
    let emitters: Emitters<u8> = Emitters::builder().backplane(&backplane, "pages").build();
    emitters.send(&1, "stored").await.unwrap();
    assert_eq!(queue(), 0.0);
    faults.away();
    let sent: Vec<_> = (0..5).map(|_| emitters.send(&1, "waits")).collect();
    assert_eq!(queue(), 5.0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(queue(), 5.0, "those under way count");
    faults.back();
    for sent in sent {
        sent.await.unwrap();
    }
    assert_eq!(queue(), 0.0);
    // What expires waits no more; what is under way does until its outcome is known.
    faults.away();
    let first = emitters.send(&1, "under way");
    tokio::time::sleep(Duration::from_millis(10)).await;
    let late: Vec<_> = (0..3).map(|_| emitters.send(&1, "late")).collect();
    assert_eq!(queue(), 4.0);
    for sent in late {
        assert!(sent.await.is_err());
    }
    assert_eq!(queue(), 1.0);
    assert!(first.await.is_err());
    faults.back();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(queue(), 0.0);
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_a_feed_is_as_long_as_the_stores_word_takes() {
    let ledger = Ledger::default();
    let _recording = metrics::set_default_local_recorder(&ledger);
    // The sum of all: each probe adds its own.
    let lag = || ledger.get("sse_backplane_feed_lag_seconds{}");
    let engine = MemoryStore::new().engine();
    let faults = engine.faults();
    let _backplane = Backplane::new(engine);
    tokio::time::sleep(Duration::from_millis(5_900)).await;
    assert_eq!(lag(), 0.0, "a feed in the same process is never late");
    // The next probe is in a tenth of a second, and its answer comes after eight.
    faults.hold_feed();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(lag(), 0.0, "nothing is said before it has come");
    faults.release_feed();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!((lag() - 0.8).abs() < 0.05, "{}", lag());
    // One that hears nothing has no lag, and is replaced.
    faults.deafen();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!((lag() - 0.8).abs() < 0.05, "{}", lag());
}
