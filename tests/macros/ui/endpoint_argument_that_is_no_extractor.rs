use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(path = "/push")]
async fn push(limit: u32) -> SseEmitter {
    drop(limit);
    SseEmitter::new()
}

fn main() {}
