use sse_tower::sse_endpoint;

#[sse_endpoint]
async fn push() {}

fn main() {}
