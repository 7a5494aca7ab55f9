use sse_tower::scheduled;

#[scheduled]
fn tick() {}

fn main() {}
