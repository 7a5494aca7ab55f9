//! `Timetable`: when a scheduled function runs, checked.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

use crate::tokens::milliseconds;

/// When a function runs, as it was written, checked.
#[derive(Debug)]
pub(crate) struct Timetable {
    pub(crate) when: When,
    pub(crate) initial_delay: Option<Duration>,
    pub(crate) once: Option<LitStr>,
}

#[derive(Debug)]
pub(crate) enum When {
    Every(Duration),
    Delay(Duration),
    Cron(LitStr, Option<LitStr>),
}

impl Timetable {
    /// The call on its declaration that says it; `id` is the end of the function's path.
    pub(crate) fn expand(&self, id: &str) -> TokenStream {
        let path = quote!(::core::concat!(::core::module_path!(), #id));
        let table = match &self.when {
            When::Every(period) => {
                let millis = milliseconds(*period);
                quote!(every_millis(#millis, #path))
            }
            When::Delay(delay) => {
                let millis = milliseconds(*delay);
                quote!(delay_millis(#millis, #path))
            }
            When::Cron(expression, zone) => {
                let zone = match zone {
                    Some(zone) => quote!(::core::option::Option::Some(#zone)),
                    None => quote!(::core::option::Option::None),
                };
                quote!(cron(#expression, #zone, #path))
            }
        };
        let delay = self.initial_delay.map(milliseconds);
        let delay = delay.map(|millis| quote!(.initial_delay_millis(#millis)));
        let once = self.once.as_ref().map(|name| quote!(.once(#name)));
        quote!(.timetable(::sse_tower::__private::Timetable::#table #delay #once))
    }
}
