use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(method = "POST")]
async fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
