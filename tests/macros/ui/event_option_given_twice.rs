use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event(name = "order.shipped", version = 1, version = 2)]
struct Shipped;

fn main() {}
