use serde::{Deserialize, Serialize};
use sse_tower::{ApplicationEvent, event_listener};

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "order.paid")]
struct Paid {
    amount: u64,
}

#[event_listener(timeout = "none")]
async fn on_paid(event: &Paid) {
    drop(event.amount);
}

fn main() {}
