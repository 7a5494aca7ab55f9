use sse_tower::{ApplicationEvent, Component, event_listener};

#[derive(ApplicationEvent)]
struct Paid;

trait Till: Send + Sync {}

#[event_listener]
fn on_paid(_: &Paid, till: &Component<dyn Till>) {
    let _ = till;
}

fn main() {}
