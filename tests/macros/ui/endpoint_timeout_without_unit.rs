use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(timeout = 60)]
async fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
