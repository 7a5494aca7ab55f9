//! A crate that forbids `unsafe` and denies what it can: generated code earns no warning.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    unused,
    missing_docs,
    missing_debug_implementations,
    missing_copy_implementations,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    single_use_lifetimes,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    future_incompatible,
    nonstandard_style,
    let_underscore_drop,
    trivial_casts,
    unused_lifetimes,
    unused_import_braces,
    variant_size_differences,
    elided_lifetimes_in_paths,
    non_local_definitions
)]

use std::sync::Arc;

use axum::extract::{Query, State};
use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, EventMeta, LastEventId, Publisher, SseEmitter, component,
    event_listener, sse_endpoint,
};

/// Paid.
#[derive(Clone, Copy, Debug, ApplicationEvent)]
#[event(name = "paid", as = "dyn Auditable")]
pub struct Paid {
    amount: u64,
}

/// Audited.
pub trait Auditable: Send + Sync {}
impl Auditable for Paid {}

/// A plain listener.
#[event_listener(order = 1, id = "plain", condition = |event| event.amount > 1)]
pub fn plain(event: &Paid) -> Option<Paid> {
    Some(*event)
}

#[event_listener(timeout = "5s")]
async fn later(event: &Paid, desk: Component<Desk>, meta: EventMeta) -> Result<(), std::fmt::Error> {
    desk.hear(event);
    if meta.depth > 3 { Err(std::fmt::Error) } else { Ok(()) }
}

#[event_listener]
fn shared(event: Arc<Paid>, next: Publisher<Paid>) {
    drop((event, next));
}

#[event_listener]
async fn supertype(event: &dyn Auditable, desk: &Component<Desk>) {
    let _: (&dyn Auditable, &Desk) = (event, desk);
}

/// A desk.
#[derive(Clone, Copy, Debug)]
pub struct Desk;

#[component]
impl Desk {
    #[event_listener]
    fn hear(&self, event: &Paid) {
        assert!(event.amount > 0);
    }
}

#[sse_endpoint(path = "/push", retry = "3s")]
async fn push(
    Query(words): Query<Vec<(String, String)>>,
    State(desk): State<Desk>,
    last: LastEventId,
) -> Result<SseEmitter, String> {
    if words.is_empty() {
        return Err(format!("{desk:?} {last:?}"));
    }
    Ok(SseEmitter::new())
}

#[sse_endpoint(path = "/count", method = "POST")]
async fn count(mut emitter: SseEmitter, words: String) -> Result<(), std::num::ParseIntError> {
    let last: u32 = words.parse()?;
    for _ in 0..last {
        emitter = emitter.clone();
    }
    Ok(())
}

fn main() {
    let context = ApplicationContext::bare()
        .component(Desk)
        .listener(plain::LISTENER)
        .listener(later::LISTENER)
        .listener(shared::LISTENER)
        .listener(supertype::LISTENER)
        .build();
    assert!(context.is_ok());
}
