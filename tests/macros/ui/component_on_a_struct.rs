use sse_tower::{ApplicationEvent, component};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[component]
struct Desk;

fn main() {}
