use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
async fn on_paid(event: &Paid, limit: u32) {
    drop((event.amount, limit));
}

fn main() {}
