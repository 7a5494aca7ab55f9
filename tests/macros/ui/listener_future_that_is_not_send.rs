use sse_tower::{ApplicationEvent, event_listener};

#[derive(ApplicationEvent)]
struct Paid {
    amount: u64,
}

#[event_listener]
async fn on_paid(event: &Paid) {
    let shared = std::rc::Rc::new(event.amount);
    std::future::ready(()).await;
    drop(shared);
}

fn main() {}
