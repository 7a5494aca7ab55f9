use sse_tower::ApplicationEvent;

trait Auditable: Send + Sync {}
impl Auditable for Shipped {}

#[derive(ApplicationEvent)]
#[event(as = ["dyn Auditable", "dyn Auditable"])]
struct Shipped;

fn main() {}
