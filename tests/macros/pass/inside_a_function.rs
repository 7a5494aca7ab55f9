//! Items in a function's body: what is generated sees the names of that body.

use sse_tower::{ApplicationContext, ApplicationEvent, Component, component, event_listener};

fn main() {
    #[derive(ApplicationEvent)]
    struct Paid;

    struct Desk;

    #[component]
    impl Desk {
        #[event_listener]
        fn on_paid(&self, _event: &Paid) {}
    }

    #[event_listener(after = "Desk::on_paid")]
    fn on_paid(_event: &Paid, _desk: Component<Desk>) {}

    let context = ApplicationContext::bare().component(Desk).listener(on_paid::LISTENER).build();
    assert!(context.is_ok());
}
