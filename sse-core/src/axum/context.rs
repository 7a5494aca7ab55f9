//! The context, its components and its publishers as handlers' parameters.
//!
//! The layer of `sse-tower` puts the context into each request's extensions.

use std::any::type_name;

use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::{ApplicationContext, ApplicationEvent, Component, PublishError, Publisher};

/// A handler asked for something that the application context does not give. Answers 500, and says
/// what the program has to add.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextRejection {
    /// The request carries no context.
    #[error(
        "this request has no application context; add `.layer(SseLayer::new(context))` after the route"
    )]
    NoContext,
    /// The context has no component of this type.
    #[error(
        "the application context has no component `{component}`; add `.component(..)` where it is built"
    )]
    NoComponent {
        /// Rust's name of the type.
        component: &'static str,
    },
}

impl IntoResponse for ContextRejection {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for ApplicationContext {
    type Rejection = ContextRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ContextRejection> {
        parts.extensions.get::<Self>().cloned().ok_or(ContextRejection::NoContext)
    }
}

impl<S: Sync, E: ApplicationEvent> FromRequestParts<S> for Publisher<E> {
    type Rejection = ContextRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ContextRejection> {
        let context = ApplicationContext::from_request_parts(parts, state).await?;
        Ok(context.publisher())
    }
}

impl<S: Sync, T: Send + Sync + 'static> FromRequestParts<S> for Component<T> {
    type Rejection = ContextRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ContextRejection> {
        let context = ApplicationContext::from_request_parts(parts, state).await?;
        context.component().ok_or(ContextRejection::NoComponent { component: type_name::<T>() })
    }
}

/// 500, without a word on what failed: that is for the log, not for the client.
impl IntoResponse for PublishError {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, "an event listener failed").into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Till;

    #[tokio::test]
    async fn a_request_without_context_says_which_layer_is_missing() {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let error = Component::<Till>::from_request_parts(&mut parts, &()).await.unwrap_err();
        assert!(error.to_string().contains("SseLayer::new(context)"));
        assert_eq!(error.into_response().status(), 500);
    }

    #[tokio::test]
    async fn a_missing_component_is_named() {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.extensions.insert(ApplicationContext::bare().build().unwrap());
        let error = Component::<Till>::from_request_parts(&mut parts, &()).await.unwrap_err();
        assert!(error.to_string().contains("context::tests::Till"), "{error}");
    }

    #[tokio::test]
    async fn a_component_of_the_context_is_given() {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let context = ApplicationContext::bare().component(Till).build().unwrap();
        parts.extensions.insert(context);
        assert!(Component::<Till>::from_request_parts(&mut parts, &()).await.is_ok());
    }
}
