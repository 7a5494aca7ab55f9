//! How often publishing allocates, exactly. Counting and tracing it allocates too, by what is
//! installed, so this is said of a build without them.

#![cfg(not(any(feature = "metrics", feature = "tracing")))]
#![allow(missing_docs, clippy::panic)]

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use sse_tower_core::{
    __private as p, ApplicationContext, ApplicationEvent, Component, EventMeta, Listener,
};

struct Paid {
    amount: u64,
}
impl ApplicationEvent for Paid {}

#[derive(Default)]
struct Till;

fn publish(context: &ApplicationContext) -> u64 {
    let publish = || {
        let mut publication = context.publish_event(Paid { amount: 7 });
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut publication).poll(&mut cx) {
            Poll::Ready(Ok(outcome)) => drop(outcome),
            other => panic!("{other:?}"),
        }
    };
    // What is made once, such as a thread's own data, is not what a publication costs.
    publish();
    measure(publish).count_total
}

async fn on_paid(event: &Paid, _: &Component<Till>, meta: EventMeta) {
    assert_eq!((event.amount, meta.depth), (7, 0));
}

/// As the attribute declares `on_paid`.
fn bind(binder: &mut p::Binder<'_>) -> Option<p::ErasedHandler> {
    let (a0, a1) = (binder.inject::<&Component<Till>>(), binder.inject::<EventMeta>());
    let args = Arc::new((a0?, a1?));
    Some(
        p::Handler::<Paid>::lent(move |event: p::MaybeShared<Paid>, call: p::OwnedCall| {
            let args = Arc::clone(&args);
            Box::pin(async move {
                let result = {
                    let running = std::pin::pin!(on_paid(
                        &event,
                        args.0.give(&call.call()),
                        args.1.give(&call.call())
                    ));
                    p::caught(running).await
                };
                let answer = call.answer(result);
                (event, answer)
            })
        })
        .erase(),
    )
}

const fn declared(name: &'static str) -> p::Declaration {
    p::Declaration::new(name, module_path!(), p::here(), p::EventRef::of::<Paid>(), bind)
}

/// Three of them: one declaration would count once.
static ON_PAID: [p::Declaration; 3] = [declared("a"), declared("b"), declared("c")];

#[test]
fn a_synchronous_listener_costs_no_allocation() {
    for count in [0, 1, 10] {
        let mut builder = ApplicationContext::bare().component(Till);
        for _ in 0..count {
            builder = builder
                .listener(Listener::on(|_: &Paid| ()))
                .listener(Listener::on(|_: &Paid| ()).condition(|paid| paid.amount > 100))
                .listener(Listener::on_component(|_: &Till, _: &Paid| Ok::<(), String>(())));
        }
        assert_eq!(publish(&builder.build().unwrap()), 0, "{count} listeners");
    }
}

#[test]
fn an_asynchronous_listener_by_reference_costs_its_future_and_nothing_else() {
    for count in 1..=ON_PAID.len() {
        let mut builder = ApplicationContext::bare().component(Till);
        for declaration in &ON_PAID[..count] {
            builder = builder.listener(Listener::declared(declaration));
        }
        assert_eq!(publish(&builder.build().unwrap()), count as u64);
    }
}

#[test]
fn an_asynchronous_closure_costs_its_future_and_one_shared_event() {
    for count in [1, 10] {
        let mut builder = ApplicationContext::bare();
        for _ in 0..count {
            builder = builder.listener(Listener::on_async(async |_: Arc<Paid>| ()));
        }
        assert_eq!(publish(&builder.build().unwrap()), count + 1);
    }
}

#[test]
fn a_publication_inside_a_listener_costs_no_allocation_while_all_are_synchronous() {
    struct Shipped;
    impl ApplicationEvent for Shipped {}
    let context =
        ApplicationContext::bare().listener(Listener::on(|_: &Shipped| ())).build().unwrap();
    let publisher = context.publisher::<Shipped>();
    context.on(move |_: &Paid| publisher.publish_event(Shipped).detach()).forever();
    assert_eq!(publish(&context), 0);
}

#[test]
fn a_returned_event_costs_what_keeps_it_until_all_have_heard_the_one_before() {
    struct Shipped;
    impl ApplicationEvent for Shipped {}
    let context = ApplicationContext::bare()
        .listener(Listener::on(|_: &Paid| Shipped))
        .listener(Listener::on(|_: &Shipped| ()))
        .build()
        .unwrap();
    // The answer, its list of events, the event in it, the publication's list and its queue.
    assert_eq!(publish(&context), 5);
}

#[test]
fn a_subscription_changes_nothing_of_the_cost() {
    let context = ApplicationContext::bare().listener(Listener::on(|_: &Paid| ())).build().unwrap();
    let subscription = context.on(|_: &Paid| ());
    assert_eq!(publish(&context), 0);
    drop(subscription);
    assert_eq!(publish(&context), 0);
}

/// One payment, as `keyed_flow` has it: what each of its steps allocates.
mod payment {
    use std::pin::pin;

    use futures_core::Stream;
    use sse_tower_core::{Emitters, EventStream, LastEventId, SseEmitter};

    use super::*;

    fn poll(stream: &mut EventStream) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut bytes = 0;
        while let Poll::Ready(Some(piece)) = pin!(&mut *stream).poll_next(&mut cx) {
            bytes += piece.len();
        }
        bytes
    }

    /// Keys, and rooms in the lists of all keys, that are there already: those are not made for each.
    fn warm() -> Emitters<u64> {
        let payments = Emitters::new();
        for key in 0..1000 {
            let mut stream = payments.connect(key, LastEventId::default()).into_stream();
            poll(&mut stream);
            drop(payments.send(&key, "paid"));
            payments.complete(&key);
            poll(&mut stream);
        }
        payments
    }

    /// What most of many cost: now and then one pays for the room of the next ones.
    fn usual(counts: impl Iterator<Item = u64>) -> u64 {
        let mut counts: Vec<_> = counts.collect();
        counts.sort_unstable();
        counts[counts.len() / 2]
    }

    #[test]
    fn a_connect_costs_its_key_its_log_its_connection_and_its_cursor() {
        let payments = warm();
        let mut open = Vec::with_capacity(100);
        let counts = (2000..2099).map(|key| {
            measure(|| {
                let emitter = payments.connect(key, LastEventId::default());
                // As a layer does, to know of the end.
                emitter.on_completion(|_| ());
                let mut stream = emitter.into_stream();
                assert!(poll(&mut stream) > 0);
                open.push(stream);
            })
            .count_total
        });
        assert_eq!(usual(counts), CONNECT);
    }

    #[test]
    fn a_callback_costs_its_event_its_id_and_its_record() {
        let payments = warm();
        let mut open: Vec<_> = (2000..2099)
            .map(|key| payments.connect(key, LastEventId::default()).into_stream())
            .collect();
        open.iter_mut().for_each(|stream| drop(poll(stream)));
        let counts = (2000..2099).zip(&mut open).map(|(key, stream)| {
            measure(|| {
                drop(payments.send(&key, "paid"));
                assert!(poll(stream) > 0);
            })
            .count_total
        });
        assert_eq!(usual(counts), CALLBACK);
    }

    #[test]
    fn an_end_costs_nothing() {
        let payments = warm();
        let mut open: Vec<_> = (2000..2099)
            .map(|key| {
                let emitter: SseEmitter = payments.connect(key, LastEventId::default());
                emitter.on_completion(|_| ());
                emitter.into_stream()
            })
            .collect();
        open.iter_mut().for_each(|stream| drop(poll(stream)));
        let counts = (2000..2099).zip(&mut open).map(|(key, stream)| {
            measure(|| {
                payments.complete(&key);
                assert_eq!(poll(stream), 0);
            })
            .count_total
        });
        assert_eq!(usual(counts), END);
    }

    const CONNECT: u64 = 4;
    const CALLBACK: u64 = 4;
    const END: u64 = 0;
}
