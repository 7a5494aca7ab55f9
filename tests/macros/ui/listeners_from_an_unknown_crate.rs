use sse_tower::listeners_from;

listeners_from![no_such_crate];

fn main() {}
