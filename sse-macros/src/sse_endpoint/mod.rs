//! `#[sse_endpoint]`: options for the stream that a handler opens, and a route if it names a path.

mod arguments;
mod expand;
mod model;
mod path;
mod raw;

use proc_macro2::TokenStream;

use crate::mistakes::Mistakes;

pub(crate) fn sse_endpoint(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let endpoint = raw::Raw::read(attribute, item.clone(), &mut mistakes)
        .and_then(|raw| model::Endpoint::check(raw, &mut mistakes));
    match endpoint {
        Some(endpoint) if mistakes.is_empty() => endpoint.expand(),
        // The user's function as it was, so that nothing else in the program misses it.
        _ => {
            let mistakes = mistakes.into_tokens();
            quote::quote!(#item #mistakes)
        }
    }
}
