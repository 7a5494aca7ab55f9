//! Programs of two versions side by side.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sse_tower_core::{
    ApplicationContext, ApplicationEvent, EventType, Listener, WiringFault, backplane::MemoryStore,
};

use super::site::{HOUR, Process, seconds};

mod old {
    use super::*;

    #[derive(Clone, Serialize, Deserialize)]
    pub(super) struct Priced {
        pub(super) amount: u64,
    }

    impl ApplicationEvent for Priced {
        fn event_type() -> EventType<Self> {
            EventType::new().name("order.priced").version(1).json()
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Priced {
    cents: u64,
}

impl ApplicationEvent for Priced {
    fn event_type() -> EventType<Self> {
        let from_v1 = |old: old::Priced| Self { cents: old.amount * 100 };
        EventType::new().name("order.priced").version(2).json().upcast(from_v1)
    }
}

type Seen = Arc<Mutex<Vec<(u8, u64)>>>;

fn old_program(seen: &Seen) -> Vec<Listener> {
    let seen = seen.clone();
    let note = move |it: &old::Priced| seen.lock().unwrap().push((1, it.amount));
    vec![Listener::on(note).durable().id("ledger").into()]
}

fn new_program(seen: &Seen) -> Vec<Listener> {
    let seen = seen.clone();
    let note = move |it: &Priced| seen.lock().unwrap().push((2, it.cents));
    vec![Listener::on(note).durable().id("ledger").into()]
}

#[tokio::test(start_paused = true)]
async fn events_of_a_newer_version_wait_for_a_program_that_can_read_them() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let old = Process::start(&store, old_program(&seen));
    let publisher = Process::start(&store, vec![]);
    publisher.context.publish_event(Priced { cents: 250 }).await.unwrap();
    publisher.context.publish_event(old::Priced { amount: 3 }).await.unwrap();
    publisher.context.publish_event(Priced { cents: 450 }).await.unwrap();
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(*seen.lock().unwrap(), [(1, 3)], "the old program goes on with what it knows");

    let new = Process::start(&store, new_program(&seen));
    new.done("ledger", seconds(60)).await;
    assert_eq!(*seen.lock().unwrap(), [(1, 3), (2, 250), (2, 450)], "each once, none skipped");

    // And back again: the new one goes, old events go on.
    drop(new);
    old.context.publish_event(old::Priced { amount: 5 }).await.unwrap();
    tokio::time::sleep(seconds(30)).await;
    assert_eq!(seen.lock().unwrap().last(), Some(&(1, 5)));
}

#[tokio::test(start_paused = true)]
async fn what_an_older_program_stored_is_upcast_when_it_is_read() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let new = Process::start(&store, new_program(&seen));
    let old = Process::start(&store, vec![]);
    old.context.publish_event(old::Priced { amount: 3 }).await.unwrap();
    new.done("ledger", HOUR).await;
    assert_eq!(*seen.lock().unwrap(), [(2, 300)]);
}

#[tokio::test(start_paused = true)]
async fn a_field_that_may_be_missing_is_no_new_version() {
    #[derive(Serialize, Deserialize)]
    struct Longer {
        amount: u64,
        #[serde(default)]
        note: String,
    }
    impl ApplicationEvent for Longer {
        fn event_type() -> EventType<Self> {
            EventType::new().name("order.priced").version(1).json()
        }
    }
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let told = seen.clone();
    let note =
        move |it: &Longer| told.lock().unwrap().push((u8::from(!it.note.is_empty()), it.amount));
    let longer = Process::start(&store, vec![Listener::on(note).durable().id("ledger").into()]);
    let old = Process::start(&store, vec![]);
    old.context.publish_event(old::Priced { amount: 3 }).await.unwrap();
    longer.context.publish_event(Longer { amount: 4, note: "more".into() }).await.unwrap();
    longer.done("ledger", HOUR).await;
    assert_eq!(*seen.lock().unwrap(), [(0, 3), (1, 4)]);
    tokio::time::sleep(Duration::ZERO).await;
}

#[test]
fn a_chain_with_a_gap_or_of_another_name_is_refused_when_the_context_is_built() {
    #[derive(Serialize, Deserialize)]
    struct Third;
    impl ApplicationEvent for Third {
        fn event_type() -> EventType<Self> {
            EventType::new().name("order.priced").version(3).json().upcast(|_: old::Priced| Self)
        }
    }
    #[derive(Serialize, Deserialize)]
    struct Other;
    impl ApplicationEvent for Other {
        fn event_type() -> EventType<Self> {
            EventType::new().name("order.other").version(2).json().upcast(|_: old::Priced| Self)
        }
    }
    /// Two that are made of each other.
    #[derive(Serialize, Deserialize)]
    struct Round;
    impl ApplicationEvent for Round {
        fn event_type() -> EventType<Self> {
            EventType::new().name("order.round").version(2).json().upcast(|_: Self| Self)
        }
    }
    let context = ApplicationContext::bare()
        .listener(Listener::on(|_: &Third| ()).durable().id("a"))
        .listener(Listener::on(|_: &Other| ()).durable().id("b"))
        .listener(Listener::on(|_: &Round| ()).durable().id("c"))
        .build();
    let wrong = context.unwrap_err();
    let of_events = |it: &&WiringFault| matches!(it, WiringFault::TravellingEvent { .. });
    assert_eq!(wrong.faults().iter().filter(of_events).count(), 3, "{wrong}");
}
