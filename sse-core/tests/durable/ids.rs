//! Ids: new, renamed, gone, back, and what a durable listener cannot be without.

use std::time::Duration;

use sse_tower_core::{
    ApplicationContext, ApplicationEvent, DeadReason, EventType, Listener, ListenerState, Phase,
    WiringFault, backplane::MemoryStore,
};

use super::site::{HOUR, Handled, Paid, Process, notes, seconds};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Days pass, each in two jumps, with a moment after each for what is due then.
async fn days(days: u32) {
    for _ in 0..days * 2 {
        tokio::time::advance(DAY / 2).await;
        tokio::time::sleep(seconds(15)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_id_begins_now_or_with_what_is_kept_as_it_says() {
    let store = MemoryStore::new();
    let (first, late, earliest) = (Handled::default(), Handled::default(), Handled::default());
    let one = Process::start(&store, vec![notes(&first, Duration::ZERO).into()]);
    one.publish(0..10).await;
    one.done("mail", seconds(60)).await;
    let two = Process::start(
        &store,
        vec![
            notes(&late, Duration::ZERO).id("late").into(),
            notes(&earliest, Duration::ZERO).id("all").from_earliest().into(),
        ],
    );
    one.publish(10..20).await;
    two.done("late", seconds(60)).await;
    two.done("all", seconds(60)).await;
    assert_eq!(late.orders(), (10..20).collect::<Vec<_>>());
    assert_eq!(earliest.orders(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_is_published_while_no_process_has_the_listener_waits_for_it() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let one = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    drop(one);
    let publisher = Process::start(&store, vec![]);
    publisher.publish(0..10).await;
    days(1).await;
    assert_eq!(publisher.stats("mail").await.backlog, 10);
    let two = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    two.done("mail", seconds(60)).await;
    assert_eq!(handled.count(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_no_listener_ever_heard_stays_in_its_process() {
    let store = MemoryStore::new();
    let publisher = Process::start(&store, vec![]);
    publisher.publish([1]).await;
    let handled = Handled::default();
    let late = notes(&handled, Duration::ZERO).from_earliest();
    let two = Process::start(&store, vec![late.into()]);
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(handled.count(), 0);
    // As soon as it is registered, other processes know.
    publisher.publish([2]).await;
    two.done("mail", seconds(60)).await;
    assert_eq!(handled.orders(), [2]);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_no_process_has_had_for_two_weeks_is_retired_and_comes_back_as_a_new_one() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    drop(Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]));
    let other = Handled::default();
    let publisher = Process::start(&store, vec![notes(&other, Duration::ZERO).id("other").into()]);
    publisher.publish([1]).await;
    days(15).await;
    assert_eq!(publisher.stats("mail").await.state, ListenerState::Retired);
    let back = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    assert_eq!(back.stats("mail").await.state, ListenerState::Active);
    publisher.publish([2]).await;
    back.done("mail", HOUR).await;
    assert_eq!(handled.orders(), [2]);
}

#[tokio::test(start_paused = true)]
async fn what_falls_off_the_hard_bounds_is_a_dead_letter_and_never_silence() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    here.context.listeners().pause("mail").await.unwrap();
    here.publish(0..5).await;
    days(15).await;
    let letters = here.context.dead_letters("mail").await.unwrap();
    assert_eq!(letters.len(), 5, "{:?}", here.stats("mail").await);
    assert!(letters.iter().all(|it| it.reason == DeadReason::Expired), "{letters:?}");
    here.context.listeners().resume("mail").await.unwrap();
    assert_eq!(here.context.dead_letters("mail").retry_all().await.unwrap(), 5);
    here.done("mail", HOUR).await;
    assert_eq!(handled.count(), 5);
}

#[test]
fn a_durable_listener_without_an_id_a_name_or_a_form_is_refused() {
    struct Nameless;
    impl ApplicationEvent for Nameless {}
    let context = ApplicationContext::bare()
        .listener(Listener::on(|_: &Paid| ()).durable())
        .listener(Listener::on(|_: &Nameless| ()).durable().id("nameless"))
        .listener(Listener::on(|_: &Paid| ()).durable().id("phase").phase(Phase::AfterCommit))
        .build();
    let wrong = context.unwrap_err();
    let durable = |it: &&WiringFault| matches!(it, WiringFault::Durable { .. });
    assert_eq!(wrong.faults().iter().filter(durable).count(), 3, "{wrong}");
    let context = ApplicationContext::bare().build().unwrap();
    let late = context.subscribe(Listener::on(|_: &Paid| ()).durable().id("late"));
    assert!(late.unwrap_err().to_string().contains("`.listener(..)`"));
}

/// Something else than [`Paid`].
#[derive(serde::Serialize, serde::Deserialize)]
struct Shipped;

impl ApplicationEvent for Shipped {
    fn event_type() -> EventType<Self> {
        EventType::new().name("order.shipped").json()
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_declared_otherwise_elsewhere_is_shown_where_it_is_so() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let one = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    let same = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    let other = Listener::on(|_: &Shipped| ()).durable().id("mail");
    let other = Process::start(&store, vec![other.into()]);
    let neither = Process::start(&store, vec![]);
    let elsewhere = async |process: &Process| process.stats("mail").await.only_elsewhere;
    for process in [&one, &same] {
        assert_eq!(elsewhere(process).await, ["order.shipped".into()]);
    }
    assert_eq!(elsewhere(&other).await, ["order.paid".into()]);
    assert!(elsewhere(&neither).await.is_empty(), "it declares nothing that could differ");
    // Each takes its own.
    neither.publish([1]).await;
    neither.context.publish_event(Shipped).await.unwrap();
    neither.done("mail", seconds(60)).await;
    assert_eq!((handled.orders(), neither.stats("mail").await.dead), (vec![1], 0));
    neither.context.listeners().retire("mail").await.unwrap();
    let again = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    assert!(elsewhere(&again).await.is_empty());
}
