use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener(condition = |event: &String| event.is_empty())]
fn on_paid(event: &Paid) {
    drop(event.amount);
}

fn main() {}
