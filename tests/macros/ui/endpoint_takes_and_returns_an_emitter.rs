use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint]
async fn push(emitter: SseEmitter) -> SseEmitter {
    emitter
}

fn main() {}
