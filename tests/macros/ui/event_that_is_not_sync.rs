use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
struct Shipped {
    seen: std::cell::Cell<u64>,
}

fn main() {}
