//! `#[derive(ApplicationEvent)]`, with `#[event(…)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{DeriveInput, Expr, GenericParam, LitInt, LitStr, Meta, Type};

use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::tokens::{first_type_parameter, here, located};

const KNOWN: &[&str] = &["name", "version", "as", "broadcast", "stored", "upcast"];

pub(crate) fn application_event(item: TokenStream) -> TokenStream {
    let input = match syn::parse2::<DeriveInput>(item) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut mistakes = Mistakes::default();
    let event = Raw::read(&input, &mut mistakes).check(&mut mistakes);
    // Also with mistakes: a type that is no event at all would be a second error at each of its uses.
    // But one that borrows cannot be an event, and its impl would be a second error itself.
    let borrows = input.generics.lifetimes().next().is_some();
    let event = (!borrows).then(|| event.expand());
    let mistakes = mistakes.into_tokens();
    quote!(#event #mistakes)
}

/// First step: the type and its one list of options.
struct Raw<'a> {
    input: &'a DeriveInput,
    options: Options,
}

impl<'a> Raw<'a> {
    fn read(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Self {
        let mut tokens = TokenStream::new();
        for attribute in input.attrs.iter().filter(|attr| attr.path().is_ident("event")) {
            match &attribute.meta {
                Meta::List(list) => {
                    let list = &list.tokens;
                    tokens.extend(if tokens.is_empty() { quote!(#list) } else { quote!(, #list) });
                }
                Meta::Path(path) => {
                    mistakes.on(path, "`#[event]` says nothing; write `#[event(name = \"pay.completed\")]`, or leave it out");
                }
                Meta::NameValue(pair) => {
                    mistakes.on(
                        pair,
                        "options go in parentheses; write `#[event(name = \"pay.completed\")]`",
                    );
                }
            }
        }
        Self { input, options: Options::read("`#[event]`", KNOWN, tokens, mistakes) }
    }

    fn check(mut self, mistakes: &mut Mistakes) -> Event<'a> {
        let options = &mut self.options;
        let alone = ["broadcast", "stored", "upcast"];
        let travels = alone.into_iter().find_map(|name| Some((name, options.span(name)?)));
        let named = options.span("name").is_some();
        let event = Event {
            input: self.input,
            name: options
                .take_text("name", "\"pay.completed\"", mistakes)
                .and_then(|name| stable(name, mistakes)),
            version: options.take_u32("version", mistakes),
            supertypes: supertypes(options, mistakes),
            broadcast: options.take_flag("broadcast", mistakes),
            stored: options.take_flag("stored", mistakes),
            upcast: options.take_expr("upcast", "from_v1", mistakes),
        };
        if let (Some((option, span)), false) = (travels, named) {
            mistakes.at(span, format!("`{option}` is for an event that leaves its process, which needs a name that stays; add `name = \"pay.completed\"`"));
        }
        if let Some(GenericParam::Lifetime(lifetime)) = self.input.generics.params.first() {
            mistakes.on(lifetime, "an event outlives its publisher, so it borrows nothing; hold owned values, such as `String` or `Arc<str>`");
        }
        event
    }
}

/// Second step: the event, checked. What was wrong is left out of it.
struct Event<'a> {
    input: &'a DeriveInput,
    name: Option<LitStr>,
    version: Option<LitInt>,
    supertypes: Vec<Type>,
    broadcast: bool,
    stored: bool,
    /// A function from the version before.
    upcast: Option<Expr>,
}

/// A name that other nodes and later versions of the program know the event by.
fn stable(name: LitStr, mistakes: &mut Mistakes) -> Option<LitStr> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.value().chars().all(good) {
        return Some(name);
    }
    mistakes.on(&name, "a stable name has letters, digits, `.`, `-` and `_` only; write one such as \"pay.completed\"");
    None
}

fn supertypes(options: &mut Options, mistakes: &mut Mistakes) -> Vec<Type> {
    let why = "listeners hear an event through a trait";
    options.take_trait_objects("\"dyn Auditable\"", why, mistakes)
}

impl Event<'_> {
    fn expand(&self) -> TokenStream {
        let ident = &self.input.ident;
        let (impl_generics, type_generics, where_clause) = self.input.generics.split_for_impl();
        let generic = first_type_parameter(&self.input.generics).is_some();
        // In the where clause, so that `Paid<Rc<u8>>` is no event instead of `Paid` being an error.
        let bounds = generic.then(|| {
            let predicates = where_clause.map(|clause| {
                let predicates = &clause.predicates;
                if predicates.trailing_punct() { quote!(#predicates) } else { quote!(#predicates,) }
            });
            let travels = self.broadcast || self.stored || self.upcast.is_some();
            let form = travels.then(|| quote!(+ ::sse_tower::__private::WithForm));
            quote!(where #predicates Self: ::core::marker::Send + ::core::marker::Sync + 'static #form)
        });
        let where_clause = bounds.unwrap_or_else(|| quote!(#where_clause));
        let name = self.name.as_ref().map(|name| quote!(.name(#name)));
        let version = self.version.as_ref().map(|version| quote!(.version(#version)));
        let broadcast = self.broadcast.then(|| quote!(.broadcast()));
        let stored = self.stored.then(|| quote!(.stored()));
        let upcast = self
            .upcast
            .as_ref()
            .map(|upcast| quote_spanned!(located(upcast.span())=> .upcast(#upcast)));
        let supertypes = self.supertypes.iter().map(|ty| {
            // At the string: an event that does not implement the trait is told so there.
            quote_spanned!(located(ty.span())=> .supertype::<#ty>(|__event| __event, |__event| __event))
        });
        let linked = (!generic).then(|| {
            let here = here(ident.span());
            quote! {
                ::sse_tower::__private::submit! {
                    ::sse_tower::__private::LinkedEvent::of::<#ident>(::core::module_path!(), #here)
                }
            }
        });
        let linked = linked.filter(|_| self.input.generics.params.is_empty());
        let described = quote! {
            ::sse_tower::__private::EventType::new() #name #version #broadcast #stored #upcast #(#supertypes)*
        };
        let described = if self.broadcast || self.stored || self.upcast.is_some() {
            // At the type's name: one without serde is told so there.
            quote_spanned! {located(ident.span())=> {
                #[allow(unused_imports)]
                use ::sse_tower::__private::{JsonIfSerde as _, NoJson as _};
                let __form = (&::sse_tower::__private::Form::<Self>::new()).form();
                ::sse_tower::__private::json(#described, __form)
            }}
        } else if self.name.is_some() && self.input.generics.params.is_empty() {
            // It has a form if it has serde, and is none the worse without.
            quote! {{
                #[allow(unused_imports)]
                use ::sse_tower::__private::{JsonIfSerde as _, NoJson as _};
                (&::sse_tower::__private::Form::<Self>::new()).of(#described)
            }}
        } else {
            described
        };
        quote! {
            #[automatically_derived]
            impl #impl_generics ::sse_tower::__private::ApplicationEvent for #ident #type_generics #where_clause {
                fn event_type() -> ::sse_tower::__private::EventType<Self> {
                    #described
                }
            }
            #linked
        }
    }
}
