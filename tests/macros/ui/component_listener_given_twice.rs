use sse_tower::{ApplicationEvent, component, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

struct Desk;

#[component]
impl Desk {
    #[event_listener]
    #[event_listener(order = 1)]
    fn on_paid(&self, event: &Paid) {
        drop(event.amount);
    }
}

fn main() {}
