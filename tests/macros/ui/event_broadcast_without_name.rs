use serde::{Deserialize, Serialize};
use sse_tower::ApplicationEvent;

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(broadcast)]
struct Shipped;

fn main() {}
