use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
#[event(as = "&str")]
struct Shipped;

fn main() {}
