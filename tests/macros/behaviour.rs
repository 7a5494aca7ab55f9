//! What the attributes on listeners say to the bus: each shape is heard, each option arrives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, EventMeta, ListenerError, Publisher,
    component, event_listener,
};

/// What ran, in order.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

trait Auditable: Send + Sync {
    fn line(&self) -> String;
}

#[derive(ApplicationEvent)]
#[event(name = "paid", version = 2, as = "dyn Auditable")]
struct Paid {
    amount: u64,
}

impl Auditable for Paid {
    fn line(&self) -> String {
        format!("paid {}", self.amount)
    }
}

#[derive(ApplicationEvent)]
struct Changed<T>(T);

#[derive(ApplicationEvent)]
struct Sent;

#[event_listener]
fn borrowed(event: &Paid, heard: Component<Heard>) {
    heard.note(format!("borrowed {}", event.amount));
}

#[event_listener]
fn shared(event: Arc<Paid>, heard: &Component<Heard>) {
    heard.note(format!("shared {}", event.amount));
}

#[event_listener]
fn supertype(event: &dyn Auditable, heard: Component<Heard>) {
    heard.note(format!("supertype {}", event.line()));
}

#[event_listener]
async fn lent(event: &Paid, heard: Component<Heard>) {
    tokio::task::yield_now().await;
    heard.note(format!("lent {}", event.amount));
}

#[event_listener]
async fn owned(event: Arc<Paid>, heard: Component<Heard>) {
    tokio::task::yield_now().await;
    heard.note(format!("owned {}", event.amount));
}

#[event_listener]
async fn lent_supertype(event: &dyn Auditable, heard: &Component<Heard>) {
    tokio::task::yield_now().await;
    heard.note(format!("lent supertype {}", event.line()));
}

#[event_listener]
fn generic(event: &Changed<u8>, heard: Component<Heard>) {
    heard.note(format!("changed {}", event.0));
}

#[tokio::test]
async fn every_shape_of_listener_hears_the_event() {
    let context = ApplicationContext::bare()
        .component(Heard::default())
        .listener(borrowed::LISTENER)
        .listener(shared::LISTENER)
        .listener(supertype::LISTENER)
        .listener(lent::LISTENER)
        .listener(owned::LISTENER)
        .listener(lent_supertype::LISTENER)
        .listener(generic::LISTENER)
        .build()
        .unwrap();
    context.publish_event(Paid { amount: 7 }).await.unwrap();
    context.publish_event(Changed(3u8)).await.unwrap();
    context.publish_event(Changed("text")).await.unwrap();
    let expected = [
        "borrowed 7",
        "shared 7",
        "supertype paid 7",
        "lent 7",
        "owned 7",
        "lent supertype paid 7",
        "changed 3",
    ];
    assert_eq!(heard(&context), expected, "in the order of their lines");
}

#[event_listener(id = "third")]
fn at_zero(_event: &Sent, heard: Component<Heard>) {
    heard.note("at zero");
}

#[event_listener(order = -1, before = "first")]
fn earlier(_event: &Sent, heard: Component<Heard>) {
    heard.note("earlier");
}

#[event_listener(order = -1, id = "first")]
fn early(_event: &Sent, heard: Component<Heard>) {
    heard.note("early");
}

#[event_listener(after = ["third", "early"])]
fn late(_event: &Sent, heard: Component<Heard>) {
    heard.note("late");
}

#[tokio::test]
async fn order_before_after_and_id_decide_who_runs_first() {
    let context = ApplicationContext::bare()
        .component(Heard::default())
        .listener(late::LISTENER)
        .listener(early::LISTENER)
        .listener(earlier::LISTENER)
        .listener(at_zero::LISTENER)
        .build()
        .unwrap();
    context.publish_event(Sent).await.unwrap();
    assert_eq!(heard(&context), ["earlier", "early", "at zero", "late"]);
}

#[event_listener(condition = |event: &Paid| event.amount > 100)]
fn large(event: &Paid, heard: Component<Heard>) {
    heard.note(format!("large {}", event.amount));
}

#[tokio::test]
async fn a_condition_skips_and_the_outcome_counts_it() {
    let context = ApplicationContext::bare()
        .component(Heard::default())
        .listener(large::LISTENER)
        .build()
        .unwrap();
    let outcome = context.publish_event(Paid { amount: 100 }).await.unwrap();
    assert_eq!((outcome.ran(), outcome.skipped()), (0, 1));
    context.publish_event(Paid { amount: 101 }).await.unwrap();
    assert_eq!(heard(&context), ["large 101"]);
}

#[event_listener(timeout = "50ms")]
async fn slow(_event: &Sent) {
    tokio::time::sleep(Duration::from_secs(3600)).await;
}

#[event_listener]
async fn failing(_event: &Sent) -> Result<(), ListenerError> {
    let _number: u8 = "many".parse()?; // failed here
    Ok(())
}

fn line_of(text: &str) -> u32 {
    let source = include_str!("behaviour.rs");
    u32::try_from(source.lines().position(|line| line.contains(text)).unwrap() + 1).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_failure_knows_the_line_of_the_function_and_of_its_question_mark() {
    let context = ApplicationContext::bare()
        .listener(slow::LISTENER)
        .listener(failing::LISTENER)
        .build()
        .unwrap();
    let error = context.publish_event(Sent).await.unwrap_err();
    let failures = error.failures();
    assert_eq!(failures.len(), 2);
    assert_eq!(failures[0].declared_at.line(), line_of("async fn slow("));
    assert_eq!(failures[1].declared_at.line(), line_of("async fn failing("));
    assert_eq!(failures[1].failed_at.line(), line_of("// failed here"));
}

#[event_listener]
fn published(
    event: &Paid,
    next: Publisher<Sent>,
    meta: EventMeta,
) -> (Option<Sent>, Vec<Changed<u8>>) {
    let _ = next;
    (
        Some(Sent),
        vec![
            Changed(u8::try_from(meta.depth).unwrap()),
            Changed(u8::try_from(event.amount).unwrap()),
        ],
    )
}

#[tokio::test]
async fn what_a_listener_returns_is_published_in_turn() {
    let context = ApplicationContext::bare()
        .component(Heard::default())
        .listener(published::LISTENER)
        .listener(at_zero::LISTENER)
        .listener(generic::LISTENER)
        .build()
        .unwrap();
    context.publish_event(Paid { amount: 9 }).await.unwrap();
    assert_eq!(heard(&context), ["at zero", "changed 0", "changed 9"]);
}

#[derive(Default)]
struct Desk {
    heard: Heard,
}

#[component]
impl Desk {
    const LIMIT: u64 = 100;

    #[event_listener(order = 1)]
    async fn tell(&self, event: &Paid, this: &Component<Self>) {
        assert!(std::ptr::eq(self, &raw const **this));
        self.heard.note(format!("told {}", event.amount));
    }

    #[event_listener(condition = |event: &Paid| event.amount < Self::LIMIT)]
    fn small(&self, event: &Paid) {
        self.heard.note(format!("small {}", event.amount));
    }

    fn silent(&self, event: &Paid) {
        self.heard.note(format!("silent {}", event.amount));
    }
}

#[tokio::test]
async fn a_component_brings_its_methods_and_no_others() {
    let context = ApplicationContext::bare().component(Desk::default()).build().unwrap();
    context.publish_event(Paid { amount: 7 }).await.unwrap();
    context.publish_event(Paid { amount: 700 }).await.unwrap();
    let desk = context.component::<Desk>().unwrap();
    assert_eq!(desk.heard.all(), ["small 7", "told 7", "told 700"]);
}

#[tokio::test]
async fn annotated_functions_are_ordinary_functions() {
    let desk = Desk::default();
    desk.small(&Paid { amount: 1000 });
    desk.silent(&Paid { amount: 2 });
    assert_eq!(desk.heard.all(), ["small 1000", "silent 2"]);
    slow_is_still_a_function(slow);
}

fn slow_is_still_a_function<F: Future<Output = ()>>(_: impl Fn(&'static Sent) -> F) {}

#[test]
fn a_component_that_is_not_there_is_named_with_the_line_of_each_listener() {
    let said = ApplicationContext::bare()
        .listener(borrowed::LISTENER)
        .listener(lent::LISTENER)
        .build()
        .unwrap_err()
        .to_string();
    assert!(said.contains("Heard"), "{said}");
    for name in ["fn borrowed(", "async fn lent("] {
        assert!(said.contains(&format!("behaviour.rs:{}", line_of(name))), "{name}: {said}");
    }
}

fn heard(context: &ApplicationContext) -> Vec<String> {
    context.component::<Heard>().unwrap().all()
}
