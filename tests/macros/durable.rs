//! What the attribute says of durable listeners arrives.

use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, EventMeta, ListenerError, ListenerState,
    event_listener, test::settle_durable,
};

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "durable.paid")]
struct Paid {
    order: u32,
}

/// Orders with the attempts that were made to the end.
#[derive(Default)]
struct Done(Mutex<Vec<(u32, u32)>>);

impl Done {
    fn note(&self, event: &Paid, meta: &EventMeta) {
        self.0.lock().unwrap().push((event.order, meta.attempt()));
    }
}

fn done(context: &ApplicationContext) -> Vec<(u32, u32)> {
    context.component::<Done>().unwrap().0.lock().unwrap().clone()
}

/// An hour for the first attempt, nothing for the others.
async fn long(meta: &EventMeta) {
    if meta.attempt() == 1 {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
}

#[event_listener(durable, id = "patient", timeout = "none")]
async fn patient(event: &Paid, meta: EventMeta, done: Component<Done>) {
    long(&meta).await;
    done.note(event, &meta);
}

#[event_listener(durable, id = "usual")]
async fn usual(event: &Paid, meta: EventMeta, done: Component<Done>) {
    long(&meta).await;
    done.note(event, &meta);
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_a_durable_listener_takes_as_long_as_it_takes() {
    let one = |listener| {
        let context = ApplicationContext::bare().component(Done::default()).listener(listener);
        context.build().unwrap()
    };
    let context = one(patient::LISTENER);
    context.publish_event(Paid { order: 1 }).await.unwrap();
    settle_durable(&context).await;
    assert_eq!(done(&context), [(1, 1)]);
    // What says nothing is stopped after half a minute, and tried again.
    let context = one(usual::LISTENER);
    context.publish_event(Paid { order: 1 }).await.unwrap();
    settle_durable(&context).await;
    assert_eq!(done(&context), [(1, 2)]);
}

fn give_up_on_the_first(event: &Paid, meta: &EventMeta, done: &Done) -> Result<(), ListenerError> {
    if event.order == 1 {
        return Err(ListenerError::give_up());
    }
    done.note(event, meta);
    Ok(())
}

#[event_listener(durable, id = "stops", ordered, on_dead = "stop")]
fn stops(event: &Paid, meta: EventMeta, done: Component<Done>) -> Result<(), ListenerError> {
    give_up_on_the_first(event, &meta, &done)
}

#[event_listener(durable, id = "goes-on", ordered)]
fn goes_on(event: &Paid, meta: EventMeta, done: Component<Done>) -> Result<(), ListenerError> {
    give_up_on_the_first(event, &meta, &done)
}

#[tokio::test(start_paused = true)]
async fn one_that_stops_at_a_dead_letter_goes_on_when_somebody_resumes_it() {
    let context = ApplicationContext::bare()
        .component(Done::default())
        .listener(stops::LISTENER)
        .build()
        .unwrap();
    for order in [1, 2] {
        context.publish_event(Paid { order }).await.unwrap();
    }
    settle_durable(&context).await;
    assert_eq!(context.dead_letters("stops").await.unwrap().len(), 1);
    assert_eq!(done(&context), []);
    assert_eq!(context.listeners().await.unwrap()[0].state, ListenerState::Paused);
    context.listeners().resume("stops").await.unwrap();
    settle_durable(&context).await;
    assert_eq!(done(&context), [(2, 1)]);
}

#[tokio::test(start_paused = true)]
async fn one_that_says_nothing_goes_past_a_dead_letter() {
    let context = ApplicationContext::bare()
        .component(Done::default())
        .listener(goes_on::LISTENER)
        .build()
        .unwrap();
    for order in [1, 2] {
        context.publish_event(Paid { order }).await.unwrap();
    }
    settle_durable(&context).await;
    assert_eq!(context.dead_letters("goes-on").await.unwrap().len(), 1);
    assert_eq!(done(&context), [(2, 1)]);
}
