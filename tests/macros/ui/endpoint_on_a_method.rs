use sse_tower::{SseEmitter, sse_endpoint};

struct Desk;

impl Desk {
    #[sse_endpoint]
    async fn push(&self) -> SseEmitter {
        SseEmitter::new()
    }
}

fn main() {}
