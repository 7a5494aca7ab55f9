//! Nothing imported: every attribute by its path.

#[derive(sse_tower::ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[sse_tower::event_listener(order = 1)]
fn on_paid(event: &Paid, log: sse_tower::Component<Vec<u8>>) {
    drop((event.amount, log));
}

struct Desk {
    limit: u64,
}

#[sse_tower::component]
impl Desk {
    #[sse_tower::event_listener(condition = |event: &Paid| event.amount > Self::LIMIT)]
    async fn on_paid(&self, event: &Paid, this: &sse_tower::Component<Self>) {
        assert_eq!(this.limit, self.limit);
        drop(event.amount);
    }

    const LIMIT: u64 = 100;
}

#[sse_tower::sse_endpoint(timeout = "60s")]
async fn push() -> sse_tower::SseEmitter {
    sse_tower::SseEmitter::new()
}

fn main() {
    let _app: axum::Router = axum::Router::new().route("/push", axum::routing::get(push));
    let context = sse_tower::ApplicationContext::bare()
        .component(Desk { limit: 3 })
        .component(Vec::<u8>::new())
        .listener(on_paid::LISTENER)
        .build();
    assert!(context.is_ok());
}
