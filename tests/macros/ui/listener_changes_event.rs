use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
fn on_paid(event: &mut Paid) {
    event.amount = 0;
}

fn main() {}
