//! `Raw`, the first step: the options and the function they stand on, nothing judged yet.

use proc_macro2::TokenStream;
use syn::{Attribute, ImplItemFn, ItemFn, Meta, Signature};

use crate::mistakes::Mistakes;
use crate::options::Options;

pub(crate) const ATTRIBUTE: &str = "`#[event_listener]`";
pub(crate) const NAME: &str = "event_listener";
/// The one option of an attribute that `#[component]` has read: nothing remains to be done.
pub(crate) const READ: &str = "__read";
const KNOWN: &[&str] = &[
    "order",
    "before",
    "after",
    "condition",
    "spawn",
    "id",
    "timeout",
    "phase",
    "fallback",
    "durable",
    "attempts",
    "backoff",
    "concurrency",
    "ordered",
    "from",
    "on_dead",
];

/// What was written.
#[derive(Debug)]
pub(crate) struct Raw<'a> {
    pub(super) options: Options,
    /// What remains on the function once this attribute is gone.
    pub(super) attrs: &'a [Attribute],
    pub(super) signature: &'a Signature,
    /// Whether it is a method of a block under `#[component]`.
    pub(super) method: bool,
    /// The attribute that it stands under: `event_listener`, or `scheduled`, whose functions take no event.
    pub(super) name: &'static str,
}

pub(crate) fn options(attribute: TokenStream, mistakes: &mut Mistakes) -> Options {
    Options::read(ATTRIBUTE, KNOWN, attribute, mistakes)
}

/// The options of an inner attribute, which the compiler has not taken apart for us.
pub(crate) fn options_of(attribute: &Attribute, mistakes: &mut Mistakes) -> Options {
    let tokens = match &attribute.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(pair) => {
            mistakes.on(pair, format!("options go in parentheses; write `#[{NAME}(order = 10)]`"));
            TokenStream::new()
        }
    };
    options(tokens, mistakes)
}

impl<'a> Raw<'a> {
    pub(crate) fn free(options: Options, function: &'a ItemFn) -> Self {
        Self {
            options,
            attrs: &function.attrs,
            signature: &function.sig,
            method: false,
            name: NAME,
        }
    }

    /// What was written, under another attribute.
    pub(crate) fn under(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(crate) fn method(options: Options, function: &'a ImplItemFn) -> Self {
        Self { options, attrs: &function.attrs, signature: &function.sig, method: true, name: NAME }
    }
}
