//! Listeners as the attributes declare them, written out by hand.

#![allow(missing_docs, clippy::needless_pass_by_value, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use sse_tower_core::{
    __private as p, ApplicationContext, ApplicationEvent, Component, EventMeta, EventType,
    ListenerError, Publisher,
};

#[derive(Default)]
struct Journal(Mutex<Vec<String>>);

impl Journal {
    fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

trait Auditable: Send + Sync {
    fn line(&self) -> String;
}

struct Paid {
    amount: u64,
}
impl Auditable for Paid {
    fn line(&self) -> String {
        format!("paid {}", self.amount)
    }
}
impl ApplicationEvent for Paid {
    fn event_type() -> EventType<Self> {
        EventType::new().name("paid").version(1).supertype::<dyn Auditable>(|e| e, |e| e)
    }
}
const _: () = {
    p::submit! { p::LinkedEvent::of::<Paid>(module_path!(), p::here()) }
};

struct Shipped;
impl ApplicationEvent for Shipped {}

fn on_paid(
    event: &Paid,
    journal: &Component<Journal>,
    shipped: Publisher<Shipped>,
    meta: EventMeta,
) -> Option<Shipped> {
    assert_eq!(meta.depth, 0);
    journal.write(format!("sync {}", event.amount));
    shipped.publish_event(Shipped).detach();
    (event.amount > 1).then_some(Shipped)
}

#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
pub struct on_paid {}
impl on_paid {
    pub const LISTENER: p::Listener = p::Listener::declared(&Self::DECLARATION);
    const DECLARATION: p::Declaration = p::Declaration::new(
        concat!(module_path!(), "::", "on_paid"),
        module_path!(),
        p::here(),
        p::EventRef::of::<Paid>(),
        Self::bind,
    )
    .id("mail")
    .order(10);
    fn bind(binder: &mut p::Binder<'_>) -> Option<p::ErasedHandler> {
        let a0 = binder.inject::<&Component<Journal>>();
        let a1 = binder.inject::<Publisher<Shipped>>();
        let a2 = binder.inject::<EventMeta>();
        binder.returns::<Option<Shipped>>();
        let (a0, a1, a2) = (a0?, a1?, a2?);
        Some(
            p::Handler::<Paid>::by_ref(move |event: &Paid, call: &p::Call<'_>| {
                call.answer(on_paid(event, a0.give(call), a1.give(call), a2.give(call)))
            })
            .when(|e: &Paid| e.amount > 0)
            .erase(),
        )
    }
}
const _: () = {
    p::submit! { p::LinkedListener::new(&on_paid::DECLARATION) }
};

async fn audit(event: &dyn Auditable, journal: Component<Journal>) {
    let line = event.line();
    tokio::task::yield_now().await;
    journal.write(format!("audit {line} {}", event.line()));
}

#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
pub struct audit {}
impl audit {
    pub const LISTENER: p::Listener = p::Listener::declared(&Self::DECLARATION);
    const DECLARATION: p::Declaration = p::Declaration::new(
        concat!(module_path!(), "::", "audit"),
        module_path!(),
        p::here(),
        p::EventRef::supertype::<dyn Auditable>(),
        Self::bind,
    )
    .before(&["Counter::count"]);
    fn bind(binder: &mut p::Binder<'_>) -> Option<p::ErasedHandler> {
        let a0 = binder.inject::<Component<Journal>>();
        binder.returns::<()>();
        let args = Arc::new((a0?,));
        Some(
            p::Handler::<dyn Auditable>::future(
                move |event: Arc<dyn Auditable>, call: p::OwnedCall| {
                    let args = Arc::clone(&args);
                    Box::pin(async move {
                        let result = {
                            let running = std::pin::pin!(audit(&*event, args.0.give(&call.call())));
                            p::caught(running).await
                        };
                        call.answer(result)
                    })
                },
            )
            .erase(),
        )
    }
}
const _: () = {
    p::submit! { p::LinkedListener::new(&audit::DECLARATION) }
};

#[derive(Default)]
struct Counter {
    journal: Arc<Journal>,
}
impl Counter {
    async fn count(&self, event: &Paid) -> Result<(), ListenerError> {
        tokio::task::yield_now().await;
        self.journal.write("count");
        let _: u64 = if event.amount == 13 { "x".parse()? } else { 0 };
        Ok(())
    }
}
const _: () = {
    fn bind(binder: &mut p::Binder<'_>) -> Option<p::ErasedHandler> {
        let this = binder.inject::<&Component<Counter>>();
        binder.returns::<Result<(), ListenerError>>();
        let args = Arc::new((this?,));
        Some(
            p::Handler::<Paid>::lent(move |event: p::MaybeShared<Paid>, call: p::OwnedCall| {
                let args = Arc::clone(&args);
                Box::pin(async move {
                    let result = {
                        let running = std::pin::pin!(<Counter>::count(args.0.component(), &event));
                        p::caught(running).await
                    };
                    let answer = call.answer(result);
                    (event, answer)
                })
            })
            .erase(),
        )
    }
    const DECLARATION: p::Declaration = p::Declaration::new(
        concat!(module_path!(), "::Counter::count"),
        module_path!(),
        p::here(),
        p::EventRef::of::<Paid>(),
        bind,
    )
    .owner(p::ComponentRef::of::<Counter>());
    p::submit! { p::LinkedListener::new(&DECLARATION) }
};

#[tokio::test]
async fn builder_takes_every_linked_listener_in_order() {
    let journal = Arc::new(Journal::default());
    let context = ApplicationContext::builder()
        .shared_component(Arc::clone(&journal))
        .component(Counter { journal: Arc::clone(&journal) })
        .listener(on_paid::LISTENER)
        .build()
        .unwrap();
    let outcome = context.publish_event(Paid { amount: 1 }).await.unwrap();
    assert_eq!(outcome.ran(), 3);
    assert_eq!(journal.lines(), ["audit paid 1 paid 1", "count", "sync 1"]);
    let outcome = context.publish_event(Paid { amount: 0 }).await.unwrap();
    assert_eq!((outcome.ran(), outcome.skipped()), (2, 1));
}

#[tokio::test]
async fn bare_takes_a_component_with_its_own_methods_only() {
    let journal = Arc::new(Journal::default());
    let context = ApplicationContext::bare()
        .component(Counter { journal: Arc::clone(&journal) })
        .build()
        .unwrap();
    context.publish_event(Paid { amount: 1 }).await.unwrap();
    assert_eq!(journal.lines(), ["count"]);
}

#[tokio::test]
async fn failure_names_three_places_and_keeps_the_typed_error() {
    let context = ApplicationContext::bare().component(Counter::default()).build().unwrap();
    let line = line!() + 1;
    let error = context.publish_event(Paid { amount: 13 }).await.unwrap_err();
    let [failure] = error.failures() else { panic!("{error:?}") };
    assert_eq!(failure.listener, "macro_output::Counter::count");
    assert_eq!(failure.published_at.line(), line);
    assert_eq!(failure.failed_at.file(), file!());
    assert!(failure.failed_at.line() < failure.declared_at.line());
    assert!(failure.source.is::<std::num::ParseIntError>());
}
