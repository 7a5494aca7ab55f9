use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(path = "/orders/:id")]
async fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
