use serde::Serialize;
use sse_tower::ApplicationEvent;

#[derive(Serialize, ApplicationEvent)]
#[event(name = "order.shipped", stored)]
struct Shipped {
    order: u64,
}

fn main() {
    drop(Shipped { order: 7 }.order);
}
