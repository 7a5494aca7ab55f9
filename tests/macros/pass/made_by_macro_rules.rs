//! Items that come out of `macro_rules!`: their names carry another hygiene than the attribute's own.

use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, EventMeta, LastEventId, Publisher, SseEmitter, component,
    event_listener, sse_endpoint,
};

macro_rules! events {
    ($($name:ident),*) => { $(
        #[derive(ApplicationEvent)]
        pub struct $name {
            #[allow(dead_code)]
            amount: u64,
        }
    )* };
}
events!(Paid, Shipped);

macro_rules! listener {
    ($name:ident, $event:ty, $component:ty) => {
        #[event_listener(condition = |event: &$event| event.amount > 1)]
        fn $name(event: &$event, log: Component<$component>, meta: EventMeta) -> Option<Shipped> {
            let _ = (log, meta);
            Some(Shipped { amount: event.amount })
        }
    };
    (async $name:ident, $event:ty, $component:ty) => {
        #[event_listener(timeout = "5s")]
        async fn $name(event: &$event, log: &Component<$component>, next: Publisher<Shipped>) {
            let _ = (event.amount, log, next);
        }
    };
}
listener!(on_paid, Paid, Vec<u8>);
listener!(async on_paid_later, Paid, Vec<u8>);

pub struct Desk;

macro_rules! desk {
    ($ty:ty, $method:ident) => {
        #[component]
        impl $ty {
            #[event_listener]
            async fn $method(&self, event: &Paid, log: Component<Vec<u8>>) {
                let _ = (event.amount, log);
            }
        }
    };
}
desk!(Desk, tell);

macro_rules! endpoint {
    ($name:ident, $path:literal, $argument:ident: $ty:ty) => {
        #[sse_endpoint(path = $path)]
        async fn $name($argument: $ty, last: LastEventId) -> SseEmitter {
            let _ = ($argument, last);
            SseEmitter::new()
        }
    };
}
endpoint!(push, "/push", desk: Component<Desk>);

macro_rules! taking {
    ($name:ident, $emitter:ident) => {
        #[sse_endpoint(timeout = "1m")]
        async fn $name($emitter: SseEmitter) -> Result<(), sse_tower::SendError> {
            $emitter.send("paid").await?;
            Ok(())
        }
    };
}
taking!(beside, emitter);

fn main() {
    let _ = beside;
    let context = ApplicationContext::bare()
        .component(Desk)
        .component(Vec::<u8>::new())
        .listener(on_paid::LISTENER)
        .listener(on_paid_later::LISTENER)
        .build();
    assert!(context.is_ok());
}
