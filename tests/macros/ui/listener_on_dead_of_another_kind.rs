use serde::{Deserialize, Serialize};
use sse_tower::{ApplicationEvent, event_listener};

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "order.paid")]
struct Paid {
    amount: u64,
}

#[event_listener(durable, id = "mail", ordered, on_dead = "shout")]
fn on_paid(event: &Paid) {
    drop(event.amount);
}

fn main() {}
