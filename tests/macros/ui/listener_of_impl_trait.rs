use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
fn on_paid(event: &impl Auditable) {
    event.audit();
}

trait Auditable {
    fn audit(&self);
}
impl Auditable for Paid {
    fn audit(&self) {}
}

fn main() {}
