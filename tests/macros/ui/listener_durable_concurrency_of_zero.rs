use serde::{Deserialize, Serialize};
use sse_tower::{ApplicationEvent, event_listener};

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "order.paid")]
struct Paid {
    amount: u64,
}

#[event_listener(durable, id = "mail", concurrency = 0)]
fn on_paid(event: &Paid) {
    drop(event.amount);
}

fn main() {}
