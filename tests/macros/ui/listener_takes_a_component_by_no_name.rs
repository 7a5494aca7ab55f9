use sse_tower::{ApplicationEvent, Component, event_listener};

#[derive(ApplicationEvent)]
struct Paid;

struct Pool;

struct Eu;

#[event_listener]
fn on_paid(_: &Paid, pool: Component<Pool, Eu>) {
    let _ = pool;
}

fn main() {}
