//! What an event came from, over processes.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sse_tower_core::{
    ApplicationContext, ApplicationEvent, EventMeta, EventTrace, EventType, Listener,
    backplane::{MemoryStore, Node, NodeOptions},
};

use super::site::{HOUR, Paid, Process, answers, seconds};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[derive(Serialize, Deserialize)]
struct Mailed {
    order: u32,
}

impl ApplicationEvent for Mailed {
    fn event_type() -> EventType<Self> {
        EventType::new().name("order.mailed").broadcast().json()
    }
}

type Seen = Arc<Mutex<Vec<(u32, EventTrace)>>>;

fn note(seen: &Seen, attempt: u32) {
    seen.lock().unwrap().push((attempt, EventTrace::current().expect("an event's")));
}

#[tokio::test(start_paused = true)]
async fn what_a_listener_publishes_has_its_cause_its_beginning_and_its_trace_on_every_node() {
    let (store, mails, told) = (MemoryStore::new(), Seen::default(), Seen::default());
    let mail = {
        let seen = mails.clone();
        Listener::on_async_with_meta(move |paid: Arc<Paid>, meta: EventMeta| {
            let seen = seen.clone();
            async move {
                tokio::task::yield_now().await;
                note(&seen, meta.attempt());
                if meta.attempt() == 1 {
                    Err("once more")
                } else {
                    Ok(Mailed { order: paid.order })
                }
            }
        })
    };
    let here = Process::start(&store, vec![mail.durable().id("mail").into()]);
    let hears = {
        let seen = told.clone();
        Listener::on_with_meta(move |_: &Mailed, meta: EventMeta| note(&seen, meta.attempt()))
    };
    let _there = Process::start(&store, vec![hears.into()]);
    let publisher = ApplicationContext::bare()
        .backplane(&Node::new(store.engine(), NodeOptions::default()))
        .traceparent(|| Some(TRACE.to_owned()))
        .build()
        .unwrap();
    publisher.publish_event(Paid { order: 7 }).await.unwrap();
    here.done("mail", HOUR).await;
    tokio::time::sleep(seconds(5)).await;

    let mails = mails.lock().unwrap().clone();
    assert_eq!(mails.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2]);
    let paid = &mails[0].1;
    assert_eq!(&mails[1].1, paid, "an attempt later it is the same event");
    assert_eq!((paid.causation_id(), paid.correlation_id()), (None, paid.event_id()));
    assert_eq!(paid.traceparent(), Some(TRACE));

    let told = told.lock().unwrap().clone();
    let [(_, mailed)] = &told[..] else { panic!("{told:?}") };
    assert_ne!(mailed.event_id(), paid.event_id());
    assert_eq!(mailed.causation_id(), Some(paid.event_id()));
    assert_eq!(mailed.correlation_id(), paid.event_id());
    assert_eq!(mailed.traceparent(), Some(TRACE));
    assert_eq!(EventTrace::current(), None, "outside of a listener there is none");
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_trace_is_known_by_itself() {
    let seen = Seen::default();
    let listener = answers({
        let seen = seen.clone();
        move |_, meta| {
            note(&seen, meta.attempt());
            Ok(())
        }
    });
    let here = Process::start(&MemoryStore::new(), vec![listener.into()]);
    here.publish([1]).await;
    here.done("mail", HOUR).await;
    let (_, trace) = seen.lock().unwrap()[0].clone();
    assert_eq!((trace.causation_id(), trace.traceparent()), (None, None));
    assert_eq!(trace.correlation_id(), trace.event_id());
}
