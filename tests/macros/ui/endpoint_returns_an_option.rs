use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint]
async fn push() -> Option<SseEmitter> {
    None
}

fn main() {}
