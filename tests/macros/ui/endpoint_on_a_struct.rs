use sse_tower::sse_endpoint;

#[sse_endpoint]
struct Push;

fn main() {}
