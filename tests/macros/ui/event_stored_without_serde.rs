use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event(name = "order.shipped", stored)]
struct Shipped;

fn main() {}
