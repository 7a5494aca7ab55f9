use sse_tower::event_listener;

#[event_listener]
fn on_text(text: &String) {
    drop(text.clone());
}

fn main() {}
