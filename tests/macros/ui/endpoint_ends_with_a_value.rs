use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint]
async fn push(emitter: SseEmitter) -> u32 {
    drop(emitter);
    7
}

fn main() {}
