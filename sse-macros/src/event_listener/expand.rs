//! `Listener::expand`, the third step: the declaration of a listener and the function that binds it to a context.

use proc_macro2::{Group, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, ReturnType, Type, Visibility};

use super::model::{Durable, Listener, ListenerSettings};
use crate::tokens::{arguments_at, called_at, ends, here, located, milliseconds, without_self};

impl Listener {
    /// A type beside the function, of the same name, that holds what the bus has to know of it.
    ///
    /// A braced struct lives in the namespace of types alone, so it can share the function's name; and unlike
    /// a module it sees the names around it, also inside a function's body.
    pub(crate) fn expand_free(&self, visibility: &Visibility) -> TokenStream {
        let ident = &self.ident;
        let cfgs = &self.cfgs;
        let doc = format!(
            "The listener `{ident}`, for registration by hand: `.listener({ident}::LISTENER)`."
        );
        let id = format!("::{ident}");
        let declaration = self.declaration(&id, quote!(Self::__bind));
        let called = called_at(ident, self.answered_at().0);
        let bind = self.bind(&id, &quote!(#called), None);
        quote! {
            #(#cfgs)*
            #[doc = #doc]
            #[allow(dead_code, non_camel_case_types, missing_debug_implementations)]
            #visibility struct #ident {}

            #(#cfgs)*
            #[allow(dead_code)]
            impl #ident {
                #[doc = #doc]
                pub const LISTENER: ::sse_tower::__private::Listener =
                    ::sse_tower::__private::Listener::declared(&Self::__DECLARATION);
                const __DECLARATION: ::sse_tower::__private::Declaration = #declaration;
                #bind
            }

            #(#cfgs)*
            ::sse_tower::__private::submit! {
                ::sse_tower::__private::LinkedListener::new(&#ident::__DECLARATION)
            }
        }
    }

    /// [`expand_free`](Self::expand_free) for a method of the component `this`, outside its impl block.
    pub(crate) fn expand_method(&self, this: &Type) -> TokenStream {
        let ident = &self.ident;
        let cfgs = &self.cfgs;
        let id = format!("::{}::{ident}", this.to_token_stream().to_string().replace(' ', ""));
        let declaration = without_self(self.declaration(&id, quote!(__bind)), this);
        let called = called_at(ident, self.answered_at().0);
        let path = quote_spanned!(called.span()=> <#this>::#called);
        let bind = without_self(self.bind(&id, &path, Some(this)), this);
        quote! {
            #(#cfgs)*
            const _: () = {
                #bind
                const __DECLARATION: ::sse_tower::__private::Declaration =
                    #declaration.owner(::sse_tower::__private::ComponentRef::of::<#this>());
                ::sse_tower::__private::submit! {
                    ::sse_tower::__private::LinkedListener::new(&__DECLARATION)
                }
            };
        }
    }

    fn declaration(&self, id: &str, bind: TokenStream) -> TokenStream {
        let here = here(self.ident.span());
        let event = &self.parameters.event;
        let ty = &event.ty;
        let kind = if event.is_supertype() { quote!(supertype) } else { quote!(of) };
        // At the parameter: a type that is no event is told so there.
        let event =
            quote_spanned!(located(ty.span())=> ::sse_tower::__private::EventRef::#kind::<#ty>());
        let settings = self.settings.expand();
        let timetable = self.timetable.as_ref().map(|it| it.expand(id));
        quote! {
            ::sse_tower::__private::Declaration::new(
                ::core::concat!(::core::module_path!(), #id),
                ::core::module_path!(),
                #here,
                #event,
                #bind,
            )
            #settings
            #timetable
        }
    }

    /// The first and the last token of what the listener returns.
    ///
    /// Its bound is checked where the return type is noted, and again where the answer is given. The compiler
    /// says one thing at one place once, so both have to cover the same tokens.
    fn answered_at(&self) -> (Span, Span) {
        match &self.output {
            ReturnType::Default => (self.ident.span(), self.ident.span()),
            ReturnType::Type(_, ty) => ends(ty),
        }
    }

    /// Asks for everything before it gives up on anything, so that the start-up report is whole.
    fn bind(&self, id: &str, function: &TokenStream, this: Option<&Type>) -> TokenStream {
        let component = this.map(component_of);
        let wanted: Vec<TokenStream> = component
            .into_iter()
            .chain(self.parameters.injected.iter().map(without_lifetime))
            .collect();
        let names: Vec<Ident> = (0..wanted.len()).map(|at| format_ident!("__a{at}")).collect();
        let asks = wanted.iter().zip(&names).map(
            |(ty, name)| quote_spanned!(located(ty.span())=> let #name = __binder.inject::<#ty>();),
        );
        let returns = match &self.output {
            ReturnType::Default => quote!(__binder.returns::<()>();),
            ReturnType::Type(_, ty) => {
                quote_spanned!(located(ty.span())=> __binder.returns::<#ty>();)
            }
        };
        let call = Invocation {
            listener: self,
            function,
            method: this.is_some(),
            wanted: &wanted,
            names: &names,
        };
        let prepared = if self.asynchronous { call.asynchronous() } else { call.synchronous() };
        let meant = self.timetable.is_some().then(|| {
            quote! {
                let __prepared = __prepared.when(
                    |__run: &::sse_tower::__private::ScheduledRun| {
                        __run.is_for(::core::concat!(::core::module_path!(), #id))
                    },
                );
            }
        });
        let condition = self.settings.condition.as_ref().map(|condition| {
            quote_spanned!(located(condition.span())=> let __prepared = __prepared.when(#condition);)
        });
        // At the parameter: an event that cannot be stored is told so there.
        let ty = &self.parameters.event.ty;
        let stored = self.settings.durable.is_some().then(|| {
            quote_spanned! {located(ty.span())=> {
                #[allow(unused_imports)]
                use ::sse_tower::__private::{JsonIfSerde as _, NoJson as _};
                let __form = ::sse_tower::__private::Form::<#ty>::new();
                ::sse_tower::__private::travels(&__form, (&__form).form());
            }}
        });
        quote! {
            fn __bind(
                __binder: &mut ::sse_tower::__private::Binder<'_>,
            ) -> ::core::option::Option<::sse_tower::__private::ErasedHandler> {
                #stored
                #(#asks)*
                #returns
                #prepared
                #meant
                #condition
                ::core::option::Option::Some(__prepared.erase())
            }
        }
    }
}

/// The call of one listener, in each of its shapes.
struct Invocation<'a> {
    listener: &'a Listener,
    function: &'a TokenStream,
    method: bool,
    wanted: &'a [TokenStream],
    names: &'a [Ident],
}

impl Invocation<'_> {
    fn synchronous(&self) -> TokenStream {
        let Self { function, names, .. } = self;
        let event = &self.listener.parameters.event;
        let ty = &event.ty;
        let constructor = if event.shared { quote!(shared) } else { quote!(by_ref) };
        let given =
            self.given(|at, _| names.get(at).map(ToTokens::to_token_stream), &quote!(__call));
        let call = self.call(function, &quote!(__event), &given);
        let answer = quote!(__call.answer(#call));
        quote! {
            #(let #names = #names?;)*
            let __prepared = ::sse_tower::__private::Handler::<#ty>::#constructor(
                move |__event, __call| #answer,
            );
        }
    }

    fn asynchronous(&self) -> TokenStream {
        let Self { function, names, .. } = self;
        let event = &self.listener.parameters.event;
        let ty = &event.ty;
        let lent = !event.shared && !event.is_supertype();
        let (constructor, passed) = match (lent, event.shared) {
            (true, _) => (quote!(lent), quote!(&__event)),
            (false, true) => (quote!(future), quote!(__event)),
            (false, false) => (quote!(future), quote!(&*__event)),
        };
        let (arguments, clone) = if names.is_empty() {
            (None, None)
        } else {
            (
                Some(quote!(let __args = ::std::sync::Arc::new((#(#names?,)*));)),
                Some(quote!(let __args = ::std::sync::Arc::clone(&__args);)),
            )
        };
        let given = self.given(
            |at, span| {
                let at = syn::Index { index: u32::try_from(at).unwrap_or(u32::MAX), span };
                Some(quote_spanned!(span=> __args.#at))
            },
            &quote!(&__call.call()),
        );
        let call = self.call(function, &passed, &given);
        let (first, last) = self.listener.answered_at();
        let result = arguments_at(last, quote!(__result));
        let result = quote_spanned!(first=> ::core::convert::identity #result);
        let answer = quote!(__call.answer(#result));
        // A lent event goes back to the bus, which lends it to the next listener.
        let answer = if lent {
            quote! {
                let __answer = #answer;
                (__event, __answer)
            }
        } else {
            answer
        };
        // At the function's name: a future that is not `Send` is the function's.
        let caught = quote_spanned! {located(self.listener.ident.span())=>
            ::sse_tower::__private::caught(__running).await
        };
        quote! {
            #arguments
            let __prepared = ::sse_tower::__private::Handler::<#ty>::#constructor(
                move |__event, __call| {
                    #clone
                    ::std::boxed::Box::pin(async move {
                        let __result = {
                            let __running = ::core::pin::pin!(#call);
                            #caught
                        };
                        #answer
                    })
                },
            );
        }
    }

    /// The injected arguments, each spanned at the type that asked for it.
    fn given(
        &self,
        argument: impl Fn(usize, Span) -> Option<TokenStream>,
        call: &TokenStream,
    ) -> Vec<TokenStream> {
        let given = self.wanted.iter().enumerate().map(|(at, ty)| {
            let span = located(ty.span());
            let argument = argument(at, span);
            if at == 0 && self.method {
                quote_spanned!(span=> #argument.component())
            } else {
                quote_spanned!(span=> #argument.give(#call))
            }
        });
        given.collect()
    }

    fn arguments(&self, tokens: TokenStream) -> Group {
        arguments_at(self.listener.answered_at().1, tokens)
    }

    fn call(
        &self,
        function: &TokenStream,
        event: &TokenStream,
        given: &[TokenStream],
    ) -> TokenStream {
        // A scheduled function does not take the run that it is called for.
        let event = self.listener.timetable.is_none().then(|| quote!(#event,));
        match given {
            [this, rest @ ..] if self.method => {
                let given = self.arguments(quote!(#this, #event #(#rest),*));
                quote!(#function #given)
            }
            rest => {
                let given = self.arguments(quote!(#event #(#rest),*));
                quote!(#function #given)
            }
        }
    }
}

impl ListenerSettings {
    fn expand(&self) -> TokenStream {
        let id = self.id.as_ref().map(|id| quote!(.id(#id)));
        let order = self.order.map(|order| quote!(.order(#order)));
        let Self { before, after, .. } = self;
        let before = (!before.is_empty()).then(|| quote!(.before(&[#(#before),*])));
        let after = (!after.is_empty()).then(|| quote!(.after(&[#(#after),*])));
        let timeout = self.timeout.map(milliseconds).map(|ms| quote!(.timeout_millis(#ms)));
        let spawn = self.spawn.then(|| quote!(.spawn()));
        let phase = self.phase.map(|phase| {
            let phase = Ident::new(phase, Span::call_site());
            quote!(.phase(::sse_tower::__private::Phase::#phase))
        });
        let fallback = self.fallback.then(|| quote!(.fallback()));
        let durable = self.durable.as_ref().map(Durable::expand);
        quote!(#id #order #before #after #timeout #spawn #phase #fallback #durable)
    }
}

impl Durable {
    fn expand(&self) -> TokenStream {
        let attempts = self.attempts.map(|attempts| quote!(.attempts(#attempts)));
        let backoff = self.backoff.map(milliseconds).map(|ms| quote!(.backoff_millis(#ms)));
        let concurrency = self.concurrency.map(|number| quote!(.concurrency(#number)));
        let ordered = self.ordered.then(|| quote!(.ordered()));
        let earliest = self.earliest.then(|| quote!(.earliest()));
        let stop = self.stop.then(|| quote!(.stop_on_dead()));
        quote!(.durable() #attempts #backoff #concurrency #ordered #earliest #stop)
    }
}

/// What a method's `&self` is borrowed from.
fn component_of(this: &Type) -> TokenStream {
    quote_spanned!(located(this.span())=> &::sse_tower::__private::Component<#this>)
}

/// `&Component<T>` out of `&'a Component<T>`: the name `'a` is the listener's own.
fn without_lifetime(ty: &Type) -> TokenStream {
    match ty {
        Type::Reference(reference) => {
            let inner = &reference.elem;
            quote_spanned!(located(ty.span())=> &#inner)
        }
        other => other.to_token_stream(),
    }
}
