//! What counts as an event, and who hears it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use sse_tower_core::{ApplicationContext, ApplicationEvent, EventType, Listener};

use crate::{Journal, Paid, Shipped};

#[tokio::test]
async fn meta_names_publication_depth_and_parent() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (outer, inner) = (Arc::clone(&seen), Arc::clone(&seen));
    let context = ApplicationContext::bare()
        .listener(Listener::on_with_meta(move |_: &Paid, meta| {
            outer.lock().unwrap().push(meta);
            Shipped
        }))
        .listener(Listener::on_with_meta(move |_: &Shipped, meta| inner.lock().unwrap().push(meta)))
        .build()
        .unwrap();
    let outcome = context.publish_event(Paid(1)).await.unwrap();
    let seen = seen.lock().unwrap();
    let [paid, shipped] = seen[..] else { panic!("{seen:?}") };
    assert_eq!((paid.event_id, paid.depth, paid.parent), (outcome.id(), 0, None));
    assert_eq!((shipped.depth, shipped.parent), (1, Some(paid.event_id)));
    assert_ne!(shipped.event_id, paid.event_id);
}

#[tokio::test]
async fn unheard_events_are_counted_and_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let context = ApplicationContext::bare()
        .on_unheard(move |unheard| tell.lock().unwrap().push(unheard.clone()))
        .build()
        .unwrap();
    let line = line!() + 1;
    let outcome = context.publish_event(Paid(1)).await.unwrap();
    assert_eq!(outcome.ran(), 0);
    context.publish_event(Paid(1)).await.unwrap();
    assert_eq!(context.unheard(), 2, "and not the context's own events");
    let told = told.lock().unwrap();
    assert_eq!((told.len(), told[0].event.as_str()), (2, "Paid"));
    assert_eq!(told[0].published_at.line(), line);
}

trait Auditable: Send + Sync {
    fn line(&self) -> &'static str;
}

struct Refunded;

impl Auditable for Refunded {
    fn line(&self) -> &'static str {
        "refunded"
    }
}

impl ApplicationEvent for Refunded {
    fn event_type() -> EventType<Self> {
        EventType::new().supertype::<dyn Auditable>(|event| event, |event| event)
    }
}

#[tokio::test]
async fn a_listener_of_a_trait_hears_each_event_that_has_it() {
    let journal = Journal::default();
    let (a, b) = (journal.clone(), journal.clone());
    let context = ApplicationContext::bare()
        .listener(
            Listener::on_trait::<dyn Auditable, _, _>(move |event| a.write(event.line()))
                .condition(|event| event.line() != "secret"),
        )
        .build()
        .unwrap();
    // It was never registered anywhere: the first publication finds it out.
    let outcome = context.publish_event(Refunded).await.unwrap();
    assert_eq!(outcome.ran(), 1);
    let more = context
        .subscribe(Listener::on_trait::<dyn Auditable, _, _>(move |_| b.write("subscribed")))
        .unwrap();
    context.publish_event(Refunded).await.unwrap();
    drop(more);
    context.publish_event(Refunded).await.unwrap();
    assert_eq!(journal.lines(), ["refunded", "refunded", "subscribed", "refunded"]);
    assert_eq!(context.publish_event(Paid(1)).await.unwrap().ran(), 0);
}

struct Stored<T>(T);

impl<T: Send + Sync + 'static> ApplicationEvent for Stored<T> {}

#[tokio::test]
async fn generic_events_are_told_apart_by_their_parameter() {
    let context = ApplicationContext::bare().build().unwrap();
    let sum = Arc::new(AtomicUsize::new(0));
    let add = Arc::clone(&sum);
    context
        .on(move |stored: &Stored<usize>| {
            add.fetch_add(stored.0, Ordering::Relaxed);
        })
        .forever();
    context.publish_event(Stored("text")).await.unwrap();
    context.publish_event(Stored(5_usize)).await.unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_listener_that_publishes_again_does_not_deadlock() {
    let context = ApplicationContext::bare().build().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let (again, seen) = (context.clone(), Arc::clone(&count));
    let subscription = context.on(move |paid: &Paid| {
        seen.fetch_add(1, Ordering::Relaxed);
        if paid.0 > 0 {
            // Adds and removes listeners of the very event that is being published, too.
            drop(again.on(|_: &Paid| ()));
            again.publish_event(Paid(paid.0 - 1)).detach();
        }
    });
    context.publish_event(Paid(3)).await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 4);
    drop(subscription);
}
