use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event = "order.shipped"]
struct Shipped;

fn main() {}
