use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener(order = 1)]
#[event_listener(id = "audit")]
fn on_paid(event: &Paid) {
    drop(event.amount);
}

fn main() {}
