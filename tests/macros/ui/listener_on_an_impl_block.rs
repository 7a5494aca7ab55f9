use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
impl Desk {
    fn on_paid(&self, event: &Paid) {
        drop(event.amount);
    }
}

struct Desk;

fn main() {}
