use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
async fn on_paid(event: &Paid) {
    let amount: u32 = event.amount;
    drop(amount);
}

fn main() {}
