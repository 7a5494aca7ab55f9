//! The test kit on the bus: the record of one context, and what an event leads to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use sse_tower::{
    ApplicationContext, ApplicationEvent, Listener,
    test::{Cause, MAX_RECORDED_EVENTS, Recorder, publish},
};

#[derive(ApplicationEvent, Debug, PartialEq)]
struct Paid {
    order: u64,
}

#[derive(ApplicationEvent, Debug, PartialEq)]
#[event(name = "order.shipped")]
struct Shipped {
    order: u64,
}

#[derive(ApplicationEvent, Debug)]
struct Noted;

fn orders<E>(events: &[Arc<E>], order: fn(&E) -> u64) -> Vec<u64> {
    events.iter().map(|event| order(event)).collect()
}

fn bare() -> ApplicationContext {
    ApplicationContext::bare().build().unwrap()
}

#[tokio::test]
async fn heard_and_unheard_events_are_recorded_in_order_and_by_type() {
    // A plain synchronous listener from the start: what is published then goes the shortest way.
    let context = ApplicationContext::bare().listener(Listener::on(|_: &Paid| ())).build().unwrap();
    context.publish_event(Paid { order: 0 }).await.unwrap();
    let recorder = Recorder::new(&context);
    for order in 1..=3 {
        context.publish_event(Paid { order }).await.unwrap();
        context.publish_event(Shipped { order }).await.unwrap();
    }
    assert_eq!(orders(&recorder.of::<Paid>(), |it| it.order), [1, 2, 3]);
    assert_eq!(orders(&recorder.of::<Shipped>(), |it| it.order), [1, 2, 3]);
    assert_eq!(recorder.names()[..3], ["Paid", "order.shipped", "Paid"]);
    assert!(recorder.of::<Noted>().is_empty());
}

#[tokio::test]
async fn what_listeners_publish_is_recorded_however_they_do_it() {
    let spawned = Listener::on_async(async |_: Arc<Shipped>| Noted).spawn();
    let context = ApplicationContext::bare()
        .listener(Listener::on(|paid: &Paid| Shipped { order: paid.order }))
        .listener(spawned)
        .build()
        .unwrap();
    let recorder = Recorder::new(&context);
    context.publish_event(Paid { order: 1 }).detach();
    context.settled().await;
    assert_eq!(recorder.names(), ["Paid", "order.shipped", "Noted"]);
}

#[tokio::test]
async fn a_record_is_of_one_context_and_of_all_its_threads() {
    let (context, other) = (bare(), bare());
    let (recorder, others) = (Recorder::new(&context), Recorder::new(&other));
    let there = context.clone();
    std::thread::spawn(move || there.publish_event(Paid { order: 1 }).detach()).join().unwrap();
    other.publish_event(Paid { order: 2 }).await.unwrap();
    assert_eq!(orders(&recorder.of::<Paid>(), |it| it.order), [1]);
    assert_eq!(orders(&others.of::<Paid>(), |it| it.order), [2]);
}

#[tokio::test]
async fn an_event_of_a_transaction_is_published_once_and_with_its_commit() {
    let context = bare();
    let recorder = Recorder::new(&context);
    for (order, commit) in [(1, true), (2, false)] {
        let transaction = context.transaction();
        transaction.publish_event(Paid { order });
        let before = recorder.of::<Paid>().len();
        assert_eq!(before, order as usize - 1);
        if commit {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
    }
    assert_eq!(orders(&recorder.of::<Paid>(), |it| it.order), [1]);
}

#[tokio::test]
async fn a_recorder_ends_with_its_drop_and_gives_its_events_back() {
    let context = bare();
    let recorder = Recorder::new(&context);
    context.publish_event(Paid { order: 1 }).await.unwrap();
    let event = recorder.of::<Paid>().remove(0);
    drop(recorder);
    context.publish_event(Paid { order: 2 }).await.unwrap();
    assert_eq!(Arc::try_unwrap(event).unwrap(), Paid { order: 1 });
}

#[test]
#[should_panic(expected = "16384 events were recorded and 1 more published")]
fn a_record_that_is_not_whole_is_not_shown() {
    let context = bare();
    let recorder = Recorder::new(&context);
    for _ in 0..=MAX_RECORDED_EVENTS {
        context.publish_event(Noted).detach();
    }
    drop(recorder.of::<Noted>());
}

#[tokio::test]
async fn an_event_leads_to_another() {
    let context = bare();
    let ships = |paid: Arc<Paid>| async move {
        tokio::task::yield_now().await;
        Shipped { order: paid.order }
    };
    context.on_async(ships).forever();
    let shipped = publish(&context, Paid { order: 7 }).then_expect::<Shipped>().await;
    assert_eq!(*shipped, Shipped { order: 7 });
}

#[tokio::test]
async fn an_event_does_not_lead_to_itself() {
    let context = bare();
    let again = context.on(|paid: &Paid| (paid.order == 1).then_some(Paid { order: 2 }));
    let second = publish(&context, Paid { order: 1 }).then_expect::<Paid>().await;
    assert_eq!(second.order, 2);
    drop(again);
    let unmet = publish(&context, Paid { order: 1 }).then_expect::<Paid>().result().await;
    assert!(matches!(unmet.unwrap_err().cause(), Cause::NotPublished));
}

#[tokio::test]
async fn what_was_published_instead_is_listed_with_its_places() {
    let context = bare();
    context.on(|paid: &Paid| Shipped { order: paid.order }).forever();
    let line = line!() - 1;
    let unmet = publish(&context, Paid { order: 7 }).then_expect::<Noted>().result().await;
    assert_eq!(
        unmet.unwrap_err().to_string(),
        format!(
            "expected `Noted` after `Paid`, but everything settled without it\n\
             what was published:\n\
             \x20 `Paid` at {file}:{}:17\n\
             \x20 `order.shipped` at {file}:{line}:13, by a listener of `Paid`",
            line + 2,
            file = file!()
        )
    );
}

#[tokio::test]
async fn a_listener_that_failed_is_named_in_place_of_what_it_would_have_published() {
    let context = bare();
    let fails = |_: &Paid| Err::<Shipped, _>(std::io::Error::other("no stock"));
    context.on(fails).forever();
    let unmet = publish(&context, Paid { order: 7 }).then_expect::<Shipped>().result().await;
    let unmet = unmet.unwrap_err();
    assert!(matches!(unmet.cause(), Cause::ListenersFailed(_)));
    let said = unmet.to_string();
    assert!(said.contains("1 listener failed for `Paid`") && said.contains("no stock"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_never_ends_does_not_hang_a_test() {
    let context = bare();
    context.on_async(|_: Arc<Paid>| std::future::pending::<()>()).forever();
    let unmet = publish(&context, Paid { order: 7 }).then_expect::<Shipped>();
    let unmet = unmet.within(Duration::from_secs(60)).result().await.unwrap_err();
    assert!(matches!(unmet.cause(), Cause::TooLate(_)), "{unmet}");
}

#[derive(serde::Serialize, serde::Deserialize, ApplicationEvent)]
#[event(name = "kit.ordered")]
struct Ordered {
    number: u64,
}

#[derive(ApplicationEvent)]
struct Mailed {
    number: u64,
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_an_hour_is_expected_in_a_moment() {
    let mail = Listener::on_with_meta(|it: &Ordered, meta: sse_tower::EventMeta| {
        if meta.attempt() == 1 {
            Err("mail server is away")
        } else {
            Ok(Mailed { number: it.number })
        }
    });
    let mail = mail.durable().id("mail").backoff(Duration::from_secs(3_600));
    let context = ApplicationContext::bare().listener(mail).build().unwrap();
    let began = tokio::time::Instant::now();
    let mailed = publish(&context, Ordered { number: 7 })
        .then_expect::<Mailed>()
        .within(Duration::from_secs(7_200))
        .await;
    assert_eq!(mailed.number, 7);
    assert!(began.elapsed().as_secs() >= 2_700, "{:?}", began.elapsed());
}
