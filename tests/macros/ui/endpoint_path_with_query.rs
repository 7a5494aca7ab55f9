use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(path = "/push?id=1")]
async fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
