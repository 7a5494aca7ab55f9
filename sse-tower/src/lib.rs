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
pub use serve::{Serve, SocketListener, SocketOptions, serve};
pub use service::SseService;

// The attributes, and what they generate.
#[cfg(feature = "axum")]
mod endpoint;
#[cfg(feature = "axum")]
pub use endpoint::endpoints;
pub use sse_tower_macros::{ApplicationEvent, component, event_listener, sse_endpoint};

#[doc(hidden)]
pub mod __private {
    pub use sse_tower_core::{__private::*, SseEmitter};

    #[cfg(feature = "axum")]
    pub use crate::endpoint::{Call as EndpointCall, Route, States, mount, respond};
    #[cfg(feature = "axum")]
    pub use axum::{
        extract::FromRef,
        routing::{MethodFilter, MethodRouter},
    };
}
