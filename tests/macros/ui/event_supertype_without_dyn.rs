use sse_tower::ApplicationEvent;

trait Auditable {}
impl Auditable for Shipped {}

#[derive(ApplicationEvent)]
#[event(as = "Auditable")]
struct Shipped;

fn main() {}
