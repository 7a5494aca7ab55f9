use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint]
fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
