use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event]
struct Shipped;

fn main() {}
