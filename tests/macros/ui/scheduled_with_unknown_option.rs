use sse_tower::scheduled;

#[scheduled(evry = "5s")]
fn tick() {}

fn main() {}
