use sse_tower::ApplicationEvent;

trait Auditable: Send + Sync {}

#[derive(ApplicationEvent)]
#[event(as = "dyn Auditable")]
struct Shipped;

fn main() {}
