use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint]
async unsafe fn push() -> SseEmitter {
    SseEmitter::new()
}

fn main() {}
