use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
struct Shipped {
    lock: std::sync::MutexGuard<'static, u64>,
}

fn main() {}
