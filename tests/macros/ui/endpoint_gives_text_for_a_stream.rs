use sse_tower::{SseEmitter, sse_endpoint};

#[sse_endpoint]
async fn push() -> SseEmitter {
    "paid"
}

fn main() {}
