//! `#[sse_endpoint]`: options for the stream that a handler opens, and a route if it names a path.
//!
//! 1. [`raw`]: the options and the function, as they were written.
//! 2. [`model`] with [`arguments`] and [`path`]: an [`Endpoint`](model::Endpoint), which can no longer be wrong.
//! 3. [`expand`]: the handler with its options applied, and its route. Each argument of the handler is extracted by a
//!    line of its own, so that the compiler names the one that is no extractor.
//!
//! The user's function is emitted as it was when something is wrong, with all mistakes at once.

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

#[cfg(test)]
mod tests {
    use super::sse_endpoint;
    use quote::quote;

    #[test]
    fn all_mistakes_are_reported_at_once_and_the_function_is_left_as_it_was() {
        let function = quote!(
            fn push(one: SseEmitter, two: SseEmitter) {}
        );
        let expanded =
            sse_endpoint(quote!(timeout = 5, retry = "0s", patch = "/x"), function.clone())
                .to_string();
        // Three options, no `async`, and a second emitter.
        assert_eq!(expanded.matches("compile_error").count(), 5, "{expanded}");
        assert!(expanded.starts_with(&function.to_string()), "{expanded}");
    }
}
