//! Names in the user's scope that generated code must not fall for.
#![allow(dead_code)]

mod core {}
mod std {}
mod alloc {}
mod inventory {}
mod __private {}

struct Option;
struct Result;
struct Some;
struct None;
struct Ok;
struct Err;
struct Box;
struct Duration;
struct Listener;
struct Clone;
trait Send {}
trait Sync {}

macro_rules! module_path {
    () => {
        compile_error!("the user's own")
    };
}
macro_rules! concat {
    ($($t:tt)*) => {
        compile_error!("the user's own")
    };
}
macro_rules! line {
    () => {
        compile_error!("the user's own")
    };
}
pub(crate) use {concat, line, module_path};

mod decoyed {
    pub mod sse_tower {}
    pub mod core {}
    pub mod std {}

    use ::sse_tower::{
        ApplicationEvent, Component, EventMeta, Publisher, SseEmitter, component, event_listener, sse_endpoint,
    };
    use ::std::sync::Arc;

    trait Auditable: ::core::marker::Send + ::core::marker::Sync {}
    impl Auditable for Paid {}

    #[derive(ApplicationEvent)]
    #[event(name = "paid", version = 1, as = "dyn Auditable")]
    pub struct Paid;

    #[derive(ApplicationEvent)]
    pub struct Changed<T>(T);

    #[event_listener(condition = |_: &Paid| true, order = 1)]
    fn borrowed(_: &Paid, _: Component<u8>) {}

    #[event_listener]
    fn shared(_: Arc<Paid>, _: EventMeta) {}

    #[event_listener]
    fn supertype(_: &dyn Auditable) {}

    #[event_listener(timeout = "5s", spawn)]
    async fn lent(_: &Paid, _: Publisher<Changed<u8>>) {}

    #[event_listener]
    async fn owned(_: Arc<Paid>, _: &Component<u8>) {}

    #[event_listener(phase = "after-commit", fallback)]
    async fn lent_supertype(_: &dyn Auditable) {}

    pub struct Desk;

    #[component]
    impl Desk {
        #[event_listener]
        fn hear(&self, _: &Paid) {}

        #[event_listener]
        async fn hear_later(&self, _: &Paid, _: EventMeta) {}
    }

    #[sse_endpoint(path = "/a", timeout = "5s")]
    async fn returns(_: axum::extract::State<u8>, _: axum::extract::State<u16>) -> SseEmitter {
        SseEmitter::new()
    }

    #[sse_endpoint(path = "/b", method = "POST")]
    async fn takes(_: SseEmitter, _: Component<u8>, body: String) {
        drop(body);
    }
}

fn main() {}
