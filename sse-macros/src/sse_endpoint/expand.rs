//! `Endpoint::expand`, the third step: the handler with its options applied, and its route.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{FnArg, Pat, ReturnType, Type, parse_quote, parse_quote_spanned};

use super::arguments::name;
use super::model::{Endpoint, Form, Route, State, StreamSettings};
use crate::tokens::{called_at, cfgs, duration, here, located};

impl Endpoint {
    pub(super) fn expand(mut self) -> TokenStream {
        let known = self.expand_known();
        let route = self.route.take().map(|route| self.expand_route(&route));
        let handler = self.expand_handler();
        quote!(#handler #known #route)
    }

    fn expand_handler(self) -> TokenStream {
        let Self { mut function, settings, form, .. } = self;
        let settings = settings.expand();
        let statements = std::mem::take(&mut function.block.stmts);
        let output = &function.sig.output;
        let expected = expected(output);
        // Everything is spanned at the return type: what is wrong with it is then said there.
        *function.block = match form {
            Form::Returns(ty) => {
                let body = quote_spanned! {located(ty.span())=>
                    ::sse_tower::__private::decided(
                        ::sse_tower::__private::Configure::configure(
                            async move { #expected #(#statements)* }.await,
                            &#settings,
                        ),
                    )
                    .await
                };
                parse_quote!({ #body })
            }
            Form::Takes(at) => {
                let (emitter, span) = name(&function.sig, at);
                if let Some(FnArg::Typed(argument)) = function.sig.inputs.iter_mut().nth(at)
                    && let Pat::Wild(_) = &*argument.pat
                {
                    *argument.pat = parse_quote!(#emitter);
                }
                let span = match &function.sig.output {
                    ReturnType::Default => located(span),
                    ReturnType::Type(_, ty) => located(ty.span()),
                };
                function.sig.output =
                    parse_quote_spanned!(span=> -> ::sse_tower::__private::SseEmitter);
                let body = quote_spanned! {span=>
                    ::sse_tower::__private::beside(
                        ::core::clone::Clone::clone(&#emitter),
                        &#settings,
                        async move { #expected #(#statements)* },
                    )
                };
                parse_quote!({ #body })
            }
        };
        function.into_token_stream()
    }

    /// What the graph shows of the endpoint, and what the start-up report finds missing.
    fn expand_known(&self) -> TokenStream {
        let cfgs = cfgs(&self.function.attrs);
        let signature = &self.function.sig;
        let handler = &signature.ident;
        let name = handler.to_string();
        let here = here(handler.span());
        let (method, path) = match &self.route {
            Some(Route { path, method, .. }) => {
                (method.to_string(), quote!(::core::option::Option::Some(#path)))
            }
            None => ("GET".to_owned(), quote!(::core::option::Option::None)),
        };
        // A type parameter of the function has no meaning outside of it.
        let components = if signature.generics.params.is_empty() { &*self.components } else { &[] };
        let components: Vec<TokenStream> = components
            .iter()
            .filter_map(|arguments| {
                let span = located(arguments.first()?.span());
                Some(match &arguments[..] {
                    [ty] => quote_spanned!(span=> __needs.component::<#ty>();),
                    _ => quote_spanned!(span=> __needs.named::<#(#arguments),*>();),
                })
            })
            .collect();
        let needs = (!components.is_empty()).then(|| quote!(.needs(|__needs| { #(#components)* })));
        quote! {
            #(#cfgs)*
            ::sse_tower::__private::submit! {
                ::sse_tower::__private::EndpointInfo::new(
                    #method, #path, #name, ::core::module_path!(), #here,
                ) #needs
            }
        }
    }

    fn expand_route(&self, route: &Route) -> TokenStream {
        let function = &self.function;
        let cfgs = cfgs(&function.attrs);
        let handler = &function.sig.ident;
        let name = handler.to_string();
        let Route { path, method, arguments, state } = route;
        let verb = method.to_string();
        let here = here(handler.span());
        let (states, state) = state.expand();
        let names: Vec<_> =
            (0..arguments.len()).map(|at| format_ident!("__argument_{at}")).collect();
        let last = arguments.len().saturating_sub(1);
        let takes = arguments.iter().zip(&names).enumerate().map(|(at, (ty, name))| {
            let span = located(ty.span());
            if at == last && method != "GET" {
                quote_spanned!(span=> let #name = __call.body::<#ty, _>().await?;)
            } else {
                quote_spanned!(span=> let #name = __call.part::<#ty>().await?;)
            }
        });
        let span = match &self.form {
            Form::Returns(ty) => ty.span(),
            Form::Takes(_) => handler.span(),
        };
        let called = called_at(handler, located(span));
        let answer = quote_spanned! {located(span)=>
            ::sse_tower::__private::respond(#called(#(#names),*).await)
        };
        // A body consumes the call, so a lone body argument needs nothing to change.
        let parts = if method == "GET" { arguments.len() } else { last };
        let mutable = (parts > 0).then(|| quote!(mut));
        quote! {
            #(#cfgs)*
            const _: () = {
                fn __mount(
                    __states: &mut ::sse_tower::__private::States<'_>,
                ) -> ::core::option::Option<::sse_tower::__private::MethodRouter> {
                    #states
                    ::sse_tower::__private::mount(
                        ::sse_tower::__private::MethodFilter::#method,
                        #state,
                        |#mutable __call: ::sse_tower::__private::EndpointCall<_>| async move {
                            #(#takes)*
                            #answer
                        },
                    )
                }
                ::sse_tower::__private::submit! {
                    ::sse_tower::__private::Route::new(#verb, #path, #name, ::core::module_path!(), #here, __mount)
                }
            };
        }
    }
}

impl StreamSettings {
    fn expand(&self) -> TokenStream {
        let timeout = duration(self.timeout);
        let keep_alive = duration(self.keep_alive);
        let retry = duration(self.retry);
        quote! {
            const {
                ::sse_tower::__private::EndpointOptions {
                    timeout: #timeout,
                    keep_alive: #keep_alive,
                    retry: #retry,
                }
            }
        }
    }
}

impl State {
    /// The statements that find the state, and the expression for it: an `Option`, `None` noted as missing.
    fn expand(&self) -> (TokenStream, TokenStream) {
        match self {
            Self::One(None) => (TokenStream::new(), quote!(::core::option::Option::Some(()))),
            Self::One(Some(ty)) => {
                let span = located(ty.span());
                (TokenStream::new(), quote_spanned!(span=> __states.state::<#ty>()))
            }
            Self::Several(types) => {
                let fields: Vec<_> =
                    (0..types.len()).map(|at| format_ident!("__state_{at}")).collect();
                let found = types.iter().zip(&fields).map(|(ty, field)| {
                    quote_spanned!(located(ty.span())=> let #field = __states.state::<#ty>();)
                });
                // A state of its own, so that each `State<..>` finds its type: axum gives a router one.
                let statements = quote! {
                    #[derive(::core::clone::Clone)]
                    struct __States { #(#fields: #types),* }
                    #(
                        impl ::sse_tower::__private::FromRef<__States> for #types {
                            fn from_ref(states: &__States) -> Self {
                                ::core::clone::Clone::clone(&states.#fields)
                            }
                        }
                    )*
                    #(#found)*
                };
                let state = quote! {
                    match (#(#fields,)*) {
                        (#(::core::option::Option::Some(#fields),)*) => {
                            ::core::option::Option::Some(__States { #(#fields),* })
                        }
                        _ => ::core::option::Option::None,
                    }
                };
                (statements, state)
            }
        }
    }
}

/// Statements that never run and tell the compiler what the block is to give, so that the last expression
/// is coerced, and `?` converts, as in the function that the user wrote. Without a type too: a block that
/// loops for ever would otherwise give `!`.
fn expected(output: &ReturnType) -> Option<TokenStream> {
    let ty: Type = match output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => Type::clone(ty),
    };
    // `impl Trait` has no name to say here; such a block is inferred from its own expressions.
    if names_impl(ty.to_token_stream()) {
        return None;
    }
    Some(quote_spanned! {located(ty.span())=>
        #[allow(
            unreachable_code,
            clippy::diverging_sub_expression,
            clippy::empty_loop,
            clippy::let_unit_value,
            clippy::needless_return
        )]
        if false {
            let __expected: #ty = loop {};
            return __expected;
        }
    })
}

fn names_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == "impl",
        proc_macro2::TokenTree::Group(group) => names_impl(group.stream()),
        _ => false,
    })
}
