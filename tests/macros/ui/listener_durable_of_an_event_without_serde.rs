use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
#[event(name = "order.paid")]
struct Paid {
    amount: u64,
}

#[event_listener(durable, id = "mail")]
fn on_paid(event: &Paid) {
    drop(event.amount);
}

fn main() {}
