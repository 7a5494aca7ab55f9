use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event(name = "order.shipped", queue = "mail")]
struct Shipped;

fn main() {}
