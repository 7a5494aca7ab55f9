//! `#[scheduled]`: a function that runs by the clock. It becomes a listener of the runs that are meant for it, by the same
//! steps as `#[event_listener]`.

use proc_macro2::TokenStream;
use syn::{Attribute, ImplItemFn, Meta, Signature};

use crate::event_listener::{Listener, READ, Raw, on_function, one_word};
use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::timetable::{Timetable, When};

const ATTRIBUTE: &str = "`#[scheduled]`";
pub(crate) const NAME: &str = "scheduled";
const KNOWN: &[&str] =
    &["every", "fixed_delay", "cron", "zone", "initial_delay", "once", "id", "timeout"];
const FORMS: &str = "write `every = \"5s\"`, `fixed_delay = \"5s\"` or `cron = \"0/5 * * * * *\"`";

pub(crate) fn scheduled(attribute: TokenStream, item: TokenStream) -> TokenStream {
    if attribute.to_string() == READ {
        return item;
    }
    let mut mistakes = Mistakes::default();
    let options = Options::read(ATTRIBUTE, KNOWN, attribute, &mut mistakes);
    // Nothing more is read from the options here: the raw form needs some of its own.
    let none = Options::read(ATTRIBUTE, &[], TokenStream::new(), &mut mistakes);
    on_function(ATTRIBUTE, item, mistakes, |function, mistakes| {
        check(&Raw::free(none, function).under(NAME), &function.sig, options, mistakes)
    })
}

/// A scheduled method of a component.
pub(crate) fn method(
    attribute: &Attribute,
    method: &ImplItemFn,
    mistakes: &mut Mistakes,
) -> Option<Listener> {
    let tokens = match &attribute.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(pair) => {
            mistakes
                .on(pair, format!("options go in parentheses; write `#[{NAME}(every = \"5s\")]`"));
            return None;
        }
    };
    let options = Options::read(ATTRIBUTE, KNOWN, tokens, mistakes);
    let none = Options::read(ATTRIBUTE, &[], TokenStream::new(), mistakes);
    let raw = Raw::method(none, method).under(NAME);
    check(&raw, &method.sig, options, mistakes)
}

fn check(
    raw: &Raw<'_>,
    signature: &Signature,
    mut options: Options,
    mistakes: &mut Mistakes,
) -> Option<Listener> {
    let timeout_at = options.span("timeout");
    let timeout = options.take_duration("timeout", mistakes);
    if let Some(span) = timeout_at
        && signature.asyncness.is_none()
    {
        mistakes.at(span, "nothing can stop a synchronous function half way; make it an `async fn`, or leave `timeout` out");
    }
    let id = one_word(options.take_text("id", "\"report\"", mistakes), mistakes);
    let timetable = timetable(signature, &mut options, mistakes);
    Listener::scheduled(raw, timetable, id, timeout, mistakes)
}

fn timetable(
    signature: &Signature,
    options: &mut Options,
    mistakes: &mut Mistakes,
) -> Option<Timetable> {
    let given: Vec<_> = ["every", "fixed_delay", "cron"]
        .into_iter()
        .filter_map(|name| options.span(name))
        .collect();
    if let [_, second, ..] = given[..] {
        mistakes.at(
            second,
            "a function has one timetable; keep one of the two, or write two functions",
        );
        return None;
    }
    if given.is_empty() {
        // An option that was not understood may well be the timetable.
        if mistakes.is_empty() {
            let message = format!("`{}` runs at no time; {FORMS}", signature.ident);
            mistakes.at(signature.ident.span(), message);
        }
        return None;
    }
    let zone_at = options.span("zone");
    let initial_delay = options.take_duration("initial_delay", mistakes);
    let once = one_word(options.take_text("once", "\"report\"", mistakes), mistakes);
    let every = options.take_duration("every", mistakes);
    let delay = options.take_duration("fixed_delay", mistakes);
    let cron = options.take_text("cron", "\"0/5 * * * * *\"", mistakes);
    let zone = options.take_text("zone", "\"Asia/Shanghai\"", mistakes);
    if let Some(span) = zone_at
        && cron.is_none()
    {
        mistakes.at(span, "only a cron expression has a time zone; leave `zone` out");
    }
    let when = match (every, delay, cron) {
        (Some(period), ..) => When::Every(period),
        (_, Some(delay), _) => When::Delay(delay),
        (_, _, Some(cron)) => {
            let fields = cron.value().split_whitespace().count();
            if !cron.value().trim_start().starts_with('@') && !(5..=7).contains(&fields) {
                mistakes.on(&cron, "a cron expression has six fields: second, minute, hour, day, month, weekday; write `cron = \"0/5 * * * * *\"`");
                return None;
            }
            When::Cron(cron, zone)
        }
        // Its value was a mistake, which is noted.
        _ => return None,
    };
    Some(Timetable { when, initial_delay, once })
}

#[cfg(test)]
mod tests {
    use super::scheduled;
    use quote::quote;

    #[test]
    fn a_function_has_exactly_one_timetable() {
        let function = quote!(
            async fn tick() {}
        );
        let said = |options| scheduled(options, function.clone()).to_string();
        assert!(said(quote!()).contains("runs at no time"));
        assert!(said(quote!(every = "5s", cron = "0/5 * * * * *")).contains("one timetable"));
        assert!(said(quote!(every = "5s", zone = "UTC")).contains("only a cron expression"));
        assert!(said(quote!(cron = "5 s")).contains("six fields"));
        assert!(!said(quote!(every = "5s")).contains("compile_error"));
        assert!(
            !said(quote!(cron = "0/5 * * * * ?", zone = "Asia/Shanghai")).contains("compile_error")
        );
    }
}
