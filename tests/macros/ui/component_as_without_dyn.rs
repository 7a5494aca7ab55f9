use sse_tower::component;

trait Mailer: Send + Sync {}

struct Smtp;

impl Mailer for Smtp {}

#[component(as = "Mailer")]
impl Smtp {}

fn main() {}
