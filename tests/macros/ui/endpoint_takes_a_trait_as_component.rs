use sse_tower::{Component, SseEmitter, sse_endpoint};

trait Till: Send + Sync {}

#[sse_endpoint(path = "/push")]
async fn push(till: Component<dyn Till>) -> SseEmitter {
    drop(till);
    SseEmitter::new()
}

fn main() {}
