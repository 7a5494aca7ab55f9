use sse_tower::component;

trait Mailer: Send + Sync {}

struct Smtp;

#[component(as = "dyn Mailer")]
impl Smtp {}

fn main() {}
