//! What is traced, with the feature `tracing`. Whether a span is of interest is one answer for the
//! whole process, so this test has a program to itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::{Arc, Mutex};

use axum::{Router, routing::get};
use sse_tower::{
    ApplicationContext, ApplicationEvent, Emitters, LastEventId, Listener, Phase, Second, SseLayer,
    backplane::Backplane, test::TestClient,
};
use tracing::{
    field::{Field, Visit},
    span,
};

/// Notes the names of spans, what is recorded in them, and when they close.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    names: Vec<&'static str>,
    /// The spans that are entered now.
    stack: Vec<&'static str>,
    metadata: Vec<&'static tracing::Metadata<'static>>,
    lines: Vec<String>,
}

struct Values(String);

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        let is_warning = *metadata.level() == tracing::Level::WARN;
        metadata.target() == "sse_tower" && (metadata.is_span() || is_warning)
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut notes = self.0.lock().unwrap();
        notes.names.push(span.metadata().name());
        notes.metadata.push(span.metadata());
        let parent = notes.stack.last().map(|parent| format!(" in {parent}"));
        let name = span.metadata().name();
        notes.lines.push(format!("{name} opens{}", parent.unwrap_or_default()));
        span::Id::from_u64(notes.names.len() as u64)
    }
    fn record(&self, id: &span::Id, values: &span::Record<'_>) {
        let mut text = Values(String::new());
        values.record(&mut text);
        let mut notes = self.0.lock().unwrap();
        let name = notes.names[id.into_u64() as usize - 1];
        notes.lines.push(format!("{name}{}", text.0));
    }
    fn try_close(&self, id: span::Id) -> bool {
        let mut notes = self.0.lock().unwrap();
        let name = notes.names[id.into_u64() as usize - 1];
        notes.lines.push(format!("{name} closes"));
        true
    }
    fn record_follows_from(&self, id: &span::Id, from: &span::Id) {
        let mut notes = self.0.lock().unwrap();
        let name = |id: &span::Id| notes.names[id.into_u64() as usize - 1];
        let line = format!("{} follows from {} {}", name(id), name(from), from.into_u64());
        notes.lines.push(line);
    }
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Values(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().lines.push(text.0);
    }
    fn enter(&self, id: &span::Id) {
        let mut notes = self.0.lock().unwrap();
        let name = notes.names[id.into_u64() as usize - 1];
        notes.stack.push(name);
    }
    fn exit(&self, _: &span::Id) {
        self.0.lock().unwrap().stack.pop();
    }
    fn current_span(&self) -> tracing_core::span::Current {
        // Ids of closed spans are not used again, so the newest of that name is the one.
        let notes = self.0.lock().unwrap();
        let Some(name) = notes.stack.last() else { return tracing_core::span::Current::none() };
        let newest = notes.names.iter().rposition(|it| it == name).unwrap();
        let id = span::Id::from_u64(newest as u64 + 1);
        tracing_core::span::Current::new(id, notes.metadata[newest])
    }
}

#[tokio::test(start_paused = true)]
async fn what_happens_can_be_followed() {
    let spans = Spans::default();
    let _subscribed = tracing::subscriber::set_default(spans.clone());
    each_stream_is_a_span_that_says_how_it_ended(&spans).await;
    from_the_publication_to_its_listener_to_what_it_sends(&spans).await;
    an_event_of_a_transaction_is_heard_in_its_publishers_span(&spans).await;
    an_event_that_nobody_hears_says_how_a_listener_is_added(&spans);
    a_batch_follows_from_whoever_sent_what_is_in_it(&spans).await;
    that_each_process_refuses_alone_is_said_once(&spans).await;
}

async fn a_batch_follows_from_whoever_sent_what_is_in_it(spans: &Spans) {
    let backplane = Backplane::memory();
    let pages: Emitters<u64> = Emitters::builder().backplane(&backplane, "pages").build();
    pages.send(&7, "begins").await.unwrap();
    spans.0.lock().unwrap().lines.clear();
    let publisher = tracing::info_span!(target: "sse_tower", "request");
    let sent = publisher.in_scope(|| [pages.send(&7, "paid"), pages.send(&8, "packed")]);
    for sent in sent {
        sent.await.unwrap();
    }
    let notes = spans.0.lock().unwrap();
    let lines = notes.lines.iter().filter(|line| !line.contains("closes"));
    let lines: Vec<_> = lines.map(|line| line.trim_end_matches(char::is_numeric)).collect();
    assert_eq!(
        lines,
        [
            "request opens",
            "send opens in request",
            "send opens in request",
            "backplane_append opens",
            "backplane_append follows from send ",
            "backplane_append follows from send ",
        ]
    );
    let mut from: Vec<_> = notes.lines.iter().filter(|line| line.contains("follows")).collect();
    from.dedup();
    assert_eq!(from.len(), 2, "each from its own: {from:?}");
}

async fn that_each_process_refuses_alone_is_said_once(spans: &Spans) {
    let backplane = Backplane::memory();
    spans.0.lock().unwrap().lines.clear();
    let seats = Emitters::<u64>::builder().one_per_key(Second::Refused);
    let seats = seats.backplane(&backplane, "seats").build();
    for key in 0..3 {
        drop(seats.connect(key, LastEventId::default()));
    }
    let replaces = Emitters::<u64>::builder().one_per_key(Second::Replaces);
    drop(replaces.backplane(&backplane, "others").build());
    drop(Emitters::<u64>::builder().one_per_key(Second::Refused).build());
    let notes = spans.0.lock().unwrap();
    let said: Vec<_> = notes.lines.iter().filter(|line| line.contains("refuse")).collect();
    let expected = " message=emitters on a backplane refuse a second connection to a key on each process alone: \
                    two processes let one in each; `Second::Replaces` holds across all of them";
    assert_eq!(said, [expected]);
}

struct Paid;
impl ApplicationEvent for Paid {}
struct Shipped;
impl ApplicationEvent for Shipped {}

async fn from_the_publication_to_its_listener_to_what_it_sends(spans: &Spans) {
    let context = common::context();
    spans.0.lock().unwrap().lines.clear();
    let emitters = Emitters::<u8>::new();
    let (first, second) = (emitters.clone(), emitters.clone());
    let _plain = context.on(move |_: &Paid| drop(first.send(&1, "paid")));
    let _slow = context.on_async(move |_: Arc<Paid>| {
        let emitters = second.clone();
        async move {
            // The rest runs when the publication is awaited, and belongs to it all the same.
            tokio::task::yield_now().await;
            drop(emitters.send(&1, "later"));
        }
    });
    context.publish_event(Paid).await.unwrap();
    let lines: Vec<_> =
        spans.0.lock().unwrap().lines.iter().filter(|it| it.contains("opens")).cloned().collect();
    assert_eq!(
        lines,
        [
            "publish opens",
            "listener opens in publish",
            "send opens in listener",
            "listener opens in publish",
            "send opens in listener",
        ]
    );
}

async fn an_event_of_a_transaction_is_heard_in_its_publishers_span(spans: &Spans) {
    let context = common::context();
    let _early = context.subscribe(Listener::on(|_: &Paid| ()).phase(Phase::BeforeCommit)).unwrap();
    let _plain = context.on(|_: &Paid| Shipped);
    let _late = context.on(|_: &Shipped| ());
    let _undone =
        context.subscribe(Listener::on(|_: &Paid| ()).phase(Phase::AfterRollback)).unwrap();
    let opened = || -> Vec<String> {
        let lines = std::mem::take(&mut spans.0.lock().unwrap().lines);
        lines.into_iter().filter(|it| it.contains("opens")).collect()
    };
    for (ends, listeners) in [("commit", 2), ("drop commit", 2), ("rollback", 1), ("drop", 1)] {
        opened();
        let transaction = tracing::info_span!(target: "sse_tower", "order").in_scope(|| {
            let transaction = context.transaction();
            transaction.publish_event(Paid);
            match ends {
                "commit" => return Some(transaction.commit()),
                "drop commit" => drop(transaction.commit()),
                "rollback" => drop(transaction.rollback()),
                _ => drop(transaction),
            }
            None
        });
        if let Some(commit) = transaction {
            commit.await.unwrap();
        }
        context.settled().await;
        let lines = opened();
        let of = |line: &str| lines.iter().filter(|it| **it == line).count();
        assert_eq!(of("publish opens in order"), 1, "{ends}: {lines:?}");
        // What is returned is published by the listener that returned it.
        let returned = usize::from(ends.ends_with("commit"));
        assert_eq!(of("publish opens in listener"), returned, "{ends}: {lines:?}");
        assert_eq!(of("listener opens in publish"), listeners + returned, "{ends}: {lines:?}");
    }
}

fn an_event_that_nobody_hears_says_how_a_listener_is_added(spans: &Spans) {
    let linked = ApplicationContext::builder().build().unwrap();
    spans.0.lock().unwrap().lines.clear();
    linked.publish_event(Paid).detach();
    let lines = spans.0.lock().unwrap().lines.clone();
    let [line] = lines.iter().filter(|it| it.contains("no listener")).collect::<Vec<_>>()[..]
    else {
        panic!("{lines:?}");
    };
    let expected = " message=event has no listener; if one is written, put `#[event_listener]` on it, \
                    or add it by `.listener(..)` or `context.on`; if it is in another crate, \
                    name that in `listeners_from!` event=Paid";
    assert!(line.starts_with(expected), "{line}");
}

async fn each_stream_is_a_span_that_says_how_it_ended(spans: &Spans) {
    let app =
        Router::new().route("/push", get(common::hello)).layer(SseLayer::new(common::context()));
    // The context itself publishes that it has started.
    spans.0.lock().unwrap().lines.clear();
    let stream = TestClient::new(app).open("/push").await;
    assert_eq!(spans.0.lock().unwrap().lines, ["sse_stream opens"]);
    drop(stream);
    assert_eq!(
        spans.0.lock().unwrap().lines,
        ["sse_stream opens", "sse_stream reason=\"client-gone\"", "sse_stream closes"]
    );
}
