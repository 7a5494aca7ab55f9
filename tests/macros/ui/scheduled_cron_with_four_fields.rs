use sse_tower::scheduled;

#[scheduled(cron = "0 5 * *")]
fn tick() {}

fn main() {}
