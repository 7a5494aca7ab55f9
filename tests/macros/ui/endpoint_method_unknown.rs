use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(path = "/push", method = "SUBSCRIBE")]
async fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
