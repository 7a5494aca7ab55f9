use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(timeout = "1.5s")]
async fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
