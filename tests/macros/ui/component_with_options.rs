use sse_tower::{ApplicationEvent, component, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

struct Desk;

#[component(scope = "request")]
impl Desk {
    #[event_listener]
    fn on_paid(&self, event: &Paid) {
        drop(event.amount);
    }
}

fn main() {}
