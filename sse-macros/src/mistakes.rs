//! `Mistakes`: every mistake of one attribute, collected, so that a user mends them in one round.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far. Each message names what is wrong and ends with the cure.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    found: Vec<syn::Error>,
}

impl Mistakes {
    /// Notes a mistake at one place.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.found.push(syn::Error::new(span, message));
    }

    /// Notes a mistake that covers all of `tokens`.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.found.push(syn::Error::new_spanned(tokens, message));
    }

    /// Notes a mistake that the parser found.
    pub(crate) fn parser(&mut self, error: syn::Error) {
        self.found.push(error);
    }

    /// Whether there is nothing to report.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// One `compile_error!` for each mistake, in the order of the source.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.found.iter().map(syn::Error::to_compile_error).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_not_only_the_first() {
        let mut mistakes = Mistakes::default();
        assert!(mistakes.is_empty());
        mistakes.at(Span::call_site(), "one");
        mistakes.on(quote::quote!(x), "two");
        let tokens = mistakes.into_tokens().to_string();
        assert!(tokens.contains("one") && tokens.contains("two"), "{tokens}");
    }
}
