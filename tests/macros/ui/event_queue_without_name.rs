use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event(queue = "")]
struct Shipped;

fn main() {}
