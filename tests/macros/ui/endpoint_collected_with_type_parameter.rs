use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(path = "/push")]
async fn push<T: Send>() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
