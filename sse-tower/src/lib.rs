//! Server push for axum and tower.

mod admission;
mod body;
mod foreign;
mod future;
mod headers;
mod layer;
mod lease;
#[cfg(feature = "serve")]
mod serve;
mod service;

pub use sse_tower_core::*;

pub use admission::{AtLimit, DrainLast, Limits, Refusal, is_event_source};
pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use layer::SseLayer;
pub use lease::Lease;
#[cfg(feature = "serve")]
pub use serve::{Listener, Serve, SocketOptions, serve};
pub use service::SseService;
