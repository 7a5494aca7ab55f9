use sse_tower::scheduled;

struct Clock;

#[scheduled(every = "5s")]
fn tick(clock: Clock) {
    let _ = clock;
}

fn main() {}
