use sse_tower::{ApplicationEvent, component};

#[derive(ApplicationEvent)]
struct Paid;

struct Desk;

#[component]
impl Desk {
    #[event_listener]
    fn on_paid(&self, _: &Paid) {}
}

fn main() {}
