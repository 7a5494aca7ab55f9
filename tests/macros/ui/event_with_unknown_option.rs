use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event(nmae = "order.shipped")]
struct Shipped;

fn main() {}
