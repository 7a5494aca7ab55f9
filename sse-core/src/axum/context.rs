//! The context, its components and its publishers as handlers' parameters.
//!
//! The layer of `sse-tower` puts the context into each request's extensions.

use std::{
    any::{TypeId, type_name},
    sync::Arc,
};

use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::{
    bus::{
        declare::Publisher,
        event::{ApplicationEvent, readable_name},
        publish::PublishError,
    },
    component::{Component, ComponentName},
    context::{ApplicationContext, adds, other_name, shares},
    error_chain::debug_with_causes,
};

/// A handler asked for something that the application context does not give. Answers 500; the log (feature
/// `tracing`) says what the program has to add, and the client nothing of it. It is in the extensions of the
/// response, for layers and tests.
///
/// ```
/// use axum::{Router, routing::get};
/// # use sse_tower_core::{ApplicationContext, Component, Emitters};
///
/// // Both are extractors, as is `Publisher<E>`; the layer gives the request its context.
/// async fn online(context: ApplicationContext, users: Component<Emitters<u64>>) -> String {
///     format!("{} of {} streams", users.len(), context.streams().len())
/// }
///
/// let app: Router = Router::new().route("/online", get(online));
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ContextRejection {
    /// The request carries no context.
    #[error(
        "this request has no application context; add `.layer(SseLayer::new(context))` to the router, after its routes"
    )]
    NoContext,
    /// The context has no component of this type.
    #[error(
        "the application context has no component `{}`; add `{}` where it is built",
        readable_name(component),
        adds(component)
    )]
    NoComponent {
        /// Rust's name of the type.
        component: &'static str,
    },
    /// The context has the component as an `Arc`, which is another type.
    #[error(
        "the application context has no component `{0}`, but an `Arc<{0}>`; add it by `{1}`",
        readable_name(component),
        shares(component)
    )]
    ComponentInArc {
        /// Rust's name of the type.
        component: &'static str,
    },
    /// The context has a component of this generic type with other parameters.
    #[error(
        "the application context has no component `{}`, but `{}`; take that one, or add the other by `.component(..)`",
        readable_name(component),
        readable_name(given)
    )]
    OtherParameters {
        /// Rust's name of the type that the handler takes.
        component: &'static str,
        /// Rust's name of the type that the context has.
        given: &'static str,
    },
    /// The context has components of this type under other names.
    #[error("this handler takes {}", other_name(component, name, names))]
    NoSuchName {
        /// Rust's name of the type.
        component: &'static str,
        /// The name by which the handler takes it; empty if by none.
        name: &'static str,
        /// The names of those that the context has.
        names: Vec<&'static str>,
    },
}

debug_with_causes!(ContextRejection);

impl ContextRejection {
    fn no_component<T: ?Sized + Send + Sync + 'static>(
        context: &ApplicationContext,
        name: &'static str,
    ) -> Self {
        let component = type_name::<T>();
        if context.component::<Arc<T>>().is_some() {
            return Self::ComponentInArc { component };
        }
        let names = context.bus().components().names(TypeId::of::<T>());
        if !names.is_empty() || !name.is_empty() {
            return Self::NoSuchName { component, name, names };
        }
        match context.bus().components().namesake(component) {
            Some(given) => Self::OtherParameters { component, given },
            None => Self::NoComponent { component },
        }
    }

    /// The program's mistake, so it is in the program's log, and nothing of it in what the client gets.
    fn log(self, parts: &Parts) -> Self {
        #[cfg(feature = "tracing")]
        tracing::error!(
            target: "sse_tower",
            method = %parts.method,
            path = parts.uri.path(),
            error = %self,
            "request is answered 500"
        );
        #[cfg(not(feature = "tracing"))]
        let _ = parts;
        self
    }
}

impl IntoResponse for ContextRejection {
    fn into_response(self) -> Response {
        let said = "this server is not set up for this request; \
                    its log says what is missing, with the feature `tracing` of sse-tower";
        let mut response = (StatusCode::INTERNAL_SERVER_ERROR, said).into_response();
        // For layers, and for the test kit; nothing of it goes out.
        response.extensions_mut().insert(self);
        response
    }
}

impl<S: Sync> FromRequestParts<S> for ApplicationContext {
    type Rejection = ContextRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ContextRejection> {
        let context = parts.extensions.get::<Self>().cloned();
        context.ok_or_else(|| ContextRejection::NoContext.log(parts))
    }
}

impl<S: Sync, E: ApplicationEvent> FromRequestParts<S> for Publisher<E> {
    type Rejection = ContextRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ContextRejection> {
        let context = ApplicationContext::from_request_parts(parts, state).await?;
        Ok(context.publisher())
    }
}

impl<S, T, N> FromRequestParts<S> for Component<T, N>
where
    S: Sync,
    T: ?Sized + Send + Sync + 'static,
    N: ComponentName,
{
    type Rejection = ContextRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ContextRejection> {
        let context = ApplicationContext::from_request_parts(parts, state).await?;
        let component = context.bus().components().get(N::NAME);
        let component = component.map(Self::new);
        component.ok_or_else(|| ContextRejection::no_component::<T>(&context, N::NAME).log(parts))
    }
}

/// 500, without a word on what failed: that is for the log (feature `tracing`), not for the client.
impl IntoResponse for PublishError {
    fn into_response(self) -> Response {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "an event listener failed; the server's log says which, with the feature `tracing` of sse-tower",
        )
            .into_response()
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
        assert!(error.to_string().contains("no component `Till`"), "{error}");
    }

    #[tokio::test]
    async fn a_component_of_the_context_is_given() {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let context = ApplicationContext::bare().component(Till).build().unwrap();
        parts.extensions.insert(context);
        assert!(Component::<Till>::from_request_parts(&mut parts, &()).await.is_ok());
    }
}
