#[event_listener]
fn on_paid(event: &PayCompleted) {
    println!("{}", event.amount);
}
