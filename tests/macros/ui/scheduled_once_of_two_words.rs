use sse_tower::scheduled;

#[scheduled(every = "5s", once = "the report")]
fn tick() {}

fn main() {}
