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
use quote::quote;
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
    on_function(ATTRIBUTE, item, mistakes, |function, mistakes| {
        Listener::check(Raw::free(options, function), mistakes)
    })
}

/// The function that `attribute` stands on, as it was; behind it the listener that `check` makes of it, or every mistake.
pub(crate) fn on_function(
    attribute: &str,
    item: TokenStream,
    mut mistakes: Mistakes,
    check: impl FnOnce(&ItemFn, &mut Mistakes) -> Option<Listener>,
) -> TokenStream {
    let generated = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => check(&function, &mut mistakes)
            .filter(|_| mistakes.is_empty())
            .map(|listener| listener.expand_free(&function.vis)),
        Err(error) => {
            no_function(attribute, item.clone(), error, &mut mistakes);
            None
        }
    };
    let mistakes = mistakes.into_tokens();
    quote!(#item #generated #mistakes)
}

/// Notes that the item is no function. A broken function gets the compiler's own message.
fn no_function(attribute: &str, item: TokenStream, error: syn::Error, mistakes: &mut Mistakes) {
    match syn::parse2::<Item>(item) {
        Ok(Item::Impl(block)) => mistakes.on(
            block.self_ty,
            format!("{attribute} goes on the methods; put `#[component]` on the impl block"),
        ),
        Ok(other) => {
            mistakes.on(other, format!("{attribute} goes on a function; move it to one"));
        }
        Err(_) => mistakes.parser(error),
    }
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
