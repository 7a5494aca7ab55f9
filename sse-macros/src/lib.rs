//! The attributes of `sse-tower`. Documented where users find them: in `sse-tower`.

mod application_event;
mod component;
mod duration;
mod event_listener;
#[cfg(test)]
mod expansions;
mod mistakes;
mod options;
mod sse_endpoint;
mod tokens;

use proc_macro::TokenStream;

#[proc_macro_derive(ApplicationEvent, attributes(event))]
pub fn application_event(item: TokenStream) -> TokenStream {
    application_event::application_event(item.into()).into()
}

#[proc_macro_attribute]
pub fn component(attribute: TokenStream, item: TokenStream) -> TokenStream {
    component::component(attribute.into(), item.into()).into()
}

#[proc_macro_attribute]
pub fn event_listener(attribute: TokenStream, item: TokenStream) -> TokenStream {
    event_listener::event_listener(attribute.into(), item.into()).into()
}

#[proc_macro_attribute]
pub fn sse_endpoint(attribute: TokenStream, item: TokenStream) -> TokenStream {
    sse_endpoint::sse_endpoint(attribute.into(), item.into()).into()
}
