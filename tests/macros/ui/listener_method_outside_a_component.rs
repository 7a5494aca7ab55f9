use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

struct Desk;

impl Desk {
    #[event_listener]
    fn on_paid(&self, event: &Paid) {
        drop(event.amount);
    }
}

fn main() {}
