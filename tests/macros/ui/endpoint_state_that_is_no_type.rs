use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint(path = "/push", state = "AppState")]
async fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
