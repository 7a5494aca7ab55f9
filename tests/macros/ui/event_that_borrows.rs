use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
struct Shipped<'a> {
    address: &'a str,
}

fn main() {}
