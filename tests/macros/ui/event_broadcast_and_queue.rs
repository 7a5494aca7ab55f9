use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event(name = "order.shipped", broadcast, queue = "mail")]
struct Shipped;

fn main() {}
