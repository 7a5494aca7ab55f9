use sse_tower::event_listener;

trait Auditable: Send + Sync {
    fn line(&self) -> String;
}

#[event_listener(durable, id = "audit")]
fn audit(event: &dyn Auditable) {
    println!("{}", event.line());
}

fn main() {}
