use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
fn on_paid(event: &Paid) -> Result<(), u32> {
    if event.amount > 0 { Ok(()) } else { Err(1) }
}

fn main() {}
