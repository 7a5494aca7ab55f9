use sse_tower::scheduled;

#[scheduled(every = "5s", zone = "Asia/Shanghai")]
fn tick() {}

fn main() {}
