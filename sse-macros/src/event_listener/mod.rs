//! `#[event_listener]`, on a free function; `component.rs` uses the same three steps for methods.
//!
//! 1. [`raw`]: the options and the function, as they were written.
//! 2. [`model`] with [`signature`]: a [`Listener`], which can no longer be wrong. Every mistake is noted at its culprit,
//!    and the others are looked for all the same.
//! 3. [`expand`]: its declaration, and the function that binds it to a context.
//!
//! The user's function is emitted as it was, also when something is wrong: nothing else in the program misses it then,
//! so the compiler reports the mistake and nothing that follows from it.

mod expand;
mod model;
mod raw;
mod signature;

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Item, ItemFn};

pub(crate) use model::{Listener, one_word};
use raw::ATTRIBUTE;
pub(crate) use raw::{NAME, READ, Raw, options_of};

use crate::mistakes::Mistakes;

pub(crate) fn event_listener(attribute: TokenStream, item: TokenStream) -> TokenStream {
    if attribute.to_string() == READ {
        return item;
    }
    let mut mistakes = Mistakes::default();
    let options = raw::options(attribute, &mut mistakes);
    let function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            match syn::parse2::<Item>(item.clone()) {
                Ok(Item::Impl(block)) => mistakes.on(
                    block.self_ty,
                    format!(
                        "{ATTRIBUTE} goes on the methods; put `#[component]` on the impl block"
                    ),
                ),
                Ok(other) => {
                    mistakes.on(other, format!("{ATTRIBUTE} goes on a function; move it to one"));
                }
                Err(_) => mistakes.parser(error),
            }
            let mistakes = mistakes.into_tokens();
            return quote!(#item #mistakes);
        }
    };
    let raw = Raw::free(options, &function);
    let generated = Listener::check(raw, &mut mistakes)
        .filter(|_| mistakes.is_empty())
        .map(|listener| listener.expand_free(&function.vis));
    let mistakes = mistakes.into_tokens();
    let function = function.into_token_stream();
    quote!(#function #generated #mistakes)
}

#[cfg(test)]
mod tests {
    use super::event_listener;
    use quote::quote;

    #[test]
    fn all_mistakes_are_reported_at_once_and_the_function_is_left_as_it_was() {
        let function = quote!(
            fn on_paid(event: &Paid, limit: &u32) {}
        );
        let options = quote!(order = "first", spawn, phase = "never", condition = 3);
        let expanded = event_listener(options, function.clone()).to_string();
        assert_eq!(expanded.matches("compile_error").count(), 5, "{expanded}");
        assert!(expanded.starts_with(&function.to_string()), "{expanded}");
    }

    #[test]
    fn an_attribute_that_the_component_has_read_does_nothing_more() {
        let method = quote!(
            fn on_paid(&self, event: &Paid) {}
        );
        assert_eq!(event_listener(quote!(__read), method.clone()).to_string(), method.to_string());
    }
}
