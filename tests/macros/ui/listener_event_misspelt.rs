use sse_tower::event_listener;

#[event_listener]
fn on_paid(event: &Piad) {
    let _ = event;
}

fn main() {}
