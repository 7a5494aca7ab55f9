use sse_tower::{ApplicationEvent, Publisher, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
fn on_paid(event: &Paid, next: &Publisher<Paid>) {
    drop((event.amount, next.clone()));
}

fn main() {}
