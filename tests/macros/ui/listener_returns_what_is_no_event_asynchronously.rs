use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
async fn on_paid(event: &Paid) -> String {
    event.amount.to_string()
}

fn main() {}
