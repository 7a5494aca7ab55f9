use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(timeout = "60s")]
#[sse_endpoint(retry = "3s")]
async fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
