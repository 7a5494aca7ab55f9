use sse_tower::{ApplicationEvent, component};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[component]
fn on_paid(event: &Paid) {
    drop(event.amount);
}

fn main() {}
