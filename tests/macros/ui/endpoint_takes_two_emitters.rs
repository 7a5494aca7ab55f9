use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint]
async fn push(one: SseEmitter, two: SseEmitter) {
    drop((one, two));
}

fn main() {}
