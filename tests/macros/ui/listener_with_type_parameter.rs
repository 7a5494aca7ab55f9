use sse_tower::{ApplicationEvent, Component, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
fn on_paid<T>(event: &Paid, limit: Component<T>) {
    drop((event.amount, limit));
}

fn main() {}
