use sse_tower::scheduled;

struct Clock;

#[scheduled(every = "5s")]
impl Clock {
    fn tick(&self) {}
}

fn main() {}
