use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event(name = "order shipped")]
struct Shipped;

fn main() {}
