//! `Raw`, the first step: the tokens as a function and a list of options, nothing judged yet.

use proc_macro2::TokenStream;
use syn::ItemFn;

use crate::mistakes::Mistakes;
use crate::options::Options;

pub(super) const ATTRIBUTE: &str = "`#[sse_endpoint]`";
const KNOWN: &[&str] = &["timeout", "keep_alive", "retry", "path", "method", "state"];

/// What was written.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) options: Options,
    pub(super) function: ItemFn,
}

impl Raw {
    pub(super) fn read(
        attribute: TokenStream,
        item: TokenStream,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let options = Options::read(ATTRIBUTE, KNOWN, attribute, mistakes);
        match syn::parse2::<ItemFn>(item.clone()) {
            Ok(function) => Some(Self { options, function }),
            // A broken function gets the compiler's own message; another kind of item gets ours.
            Err(error) => {
                match syn::parse2::<syn::Item>(item) {
                    Ok(other) => mistakes.on(
                        other,
                        format!(
                            "{ATTRIBUTE} goes on an `async fn` that is a handler; move it to one"
                        ),
                    ),
                    Err(_) => mistakes.parser(error),
                }
                None
            }
        }
    }
}
