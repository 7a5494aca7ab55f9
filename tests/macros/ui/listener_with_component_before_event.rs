use sse_tower::{ApplicationEvent, Component, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
fn on_paid(log: Component<Vec<u8>>, event: &Paid) {
    drop((log, event.amount));
}

fn main() {}
