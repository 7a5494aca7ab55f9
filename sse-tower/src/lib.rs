//! Server push for axum and tower.

pub use sse_tower_core::*;

// The attributes, and what they generate.
#[cfg(feature = "axum")]
mod endpoint;
#[cfg(feature = "axum")]
pub use endpoint::endpoints;
pub use sse_tower_macros::{ApplicationEvent, component, event_listener, sse_endpoint};

#[doc(hidden)]
pub mod __private {
    pub use sse_tower_core::__private::*;

    #[cfg(feature = "axum")]
    pub use crate::endpoint::{Call as EndpointCall, Route, States, mount, respond};
    #[cfg(feature = "axum")]
    pub use axum::{
        extract::FromRef,
        routing::{MethodFilter, MethodRouter},
    };
}
