use sse_tower::ApplicationEvent;

#[derive(ApplicationEvent)]
struct Shipped {
    address: std::rc::Rc<str>,
}

fn main() {}
