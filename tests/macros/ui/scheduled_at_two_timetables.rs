use sse_tower::scheduled;

#[scheduled(every = "5s", cron = "0/5 * * * * *")]
fn tick() {}

fn main() {}
