use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(heartbeat = "15s")]
async fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
