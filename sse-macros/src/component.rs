//! `#[component]` on an impl block: its methods under `#[event_listener]` hear events, those under `#[scheduled]` run by the
//! clock, and by `as` it is a trait object too.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, ImplItem, Item, ItemImpl, MacroDelimiter, Meta, MetaList, Type, token};

use crate::event_listener::{Listener, NAME, READ, Raw, options_of};
use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::scheduled;
use crate::tokens::{first_type_parameter, here, is_attribute, located};

const ATTRIBUTE: &str = "`#[component]`";

pub(crate) fn component(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let mut options = Options::read(ATTRIBUTE, &["as"], attribute, &mut mistakes);
    let why = "a component is taken through a trait";
    let offered = options.take_trait_objects("\"dyn Mailer\"", why, &mut mistakes);
    let mut block = match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            not_a_block(item.clone(), error, &mut mistakes);
            let mistakes = mistakes.into_tokens();
            return quote!(#item #mistakes);
        }
    };
    let listeners = check(&mut block, &mut mistakes);
    let generated = mistakes.is_empty().then(|| {
        let listeners = listeners.iter().map(|listener| listener.expand_method(&block.self_ty));
        let offers = offered.iter().map(|object| offer(&block.self_ty, object));
        listeners.chain(offers).collect::<TokenStream>()
    });
    let mistakes = mistakes.into_tokens();
    let block = block.into_token_stream();
    quote!(#block #generated #mistakes)
}

/// Registers that each component of this type is `object` too.
fn offer(this: &Type, object: &Type) -> TokenStream {
    // At the string: a component that does not implement the trait is told so there.
    let at = located(object.span());
    let cast = quote_spanned!(at=> |__this| -> ::std::sync::Arc<#object> { __this });
    let offered = quote_spanned!(at=> ::sse_tower::__private::ComponentRef::of::<#object>());
    let here = here(object.span());
    quote! {
        const _: () = {
            fn __offer(
                __component: &::sse_tower::__private::ErasedComponent,
            ) -> ::core::option::Option<::sse_tower::__private::ErasedComponent> {
                __component.offer::<#this, #object>(#cast)
            }
            ::sse_tower::__private::submit! {
                ::sse_tower::__private::LinkedOffer::new(
                    ::sse_tower::__private::ComponentRef::of::<#this>(),
                    #offered,
                    __offer,
                    #here,
                )
            }
        };
    }
}

/// The listeners among the methods.
///
/// Their attributes stay, marked as read: one that was taken off would leave its import unused.
fn check(block: &mut ItemImpl, mistakes: &mut Mistakes) -> Vec<Listener> {
    if let Some((path, _)) = &block.trait_ {
        mistakes.on(
            path,
            "a component's listeners are its own methods; put them in `impl Type` without a trait",
        );
    }
    if let Some(param) = first_type_parameter(&block.generics) {
        mistakes.on(
            param,
            "a component is one value, so its type has no parameters here; write `impl Type<Concrete>`",
        );
    }
    let mut listeners = Vec::new();
    for item in &mut block.items {
        let attrs = match item {
            ImplItem::Fn(method) => &mut method.attrs,
            ImplItem::Const(constant) => &mut constant.attrs,
            ImplItem::Type(ty) => &mut ty.attrs,
            _ => continue,
        };
        let ours =
            |attr: &Attribute| is_attribute(attr, NAME) || is_attribute(attr, scheduled::NAME);
        let Some(at) = attrs.iter().position(ours) else { continue };
        let attribute = attrs.remove(at);
        let clock = is_attribute(&attribute, scheduled::NAME);
        let mut read = attribute.clone();
        read.meta = Meta::List(MetaList {
            path: attribute.path().clone(),
            delimiter: MacroDelimiter::Paren(token::Paren::default()),
            tokens: Ident::new(READ, Span::call_site()).into_token_stream(),
        });
        match item {
            ImplItem::Fn(method) => {
                listeners.extend(if clock {
                    scheduled::method(&attribute, method, mistakes)
                } else {
                    let raw = Raw::method(options_of(&attribute, mistakes), method);
                    Listener::check(raw, mistakes)
                });
                // What is left of it was reported above, as given twice.
                let name = if clock { scheduled::NAME } else { NAME };
                method.attrs.retain(|attr| !is_attribute(attr, name));
                method.attrs.push(read);
            }
            _ => {
                let name = if clock { scheduled::NAME } else { NAME };
                mistakes.on(attribute, format!("`#[{name}]` goes on a method; move it to one"));
            }
        }
    }
    listeners
}

fn not_a_block(item: TokenStream, error: syn::Error, mistakes: &mut Mistakes) {
    match syn::parse2::<Item>(item) {
        Ok(Item::Struct(item)) => mistakes.on(
            &item.ident,
            format!(
                "{ATTRIBUTE} goes on `impl {}`, where its listeners are; any value is a component by `.component(value)`",
                item.ident
            ),
        ),
        Ok(Item::Enum(item)) => mistakes.on(
            &item.ident,
            format!(
                "{ATTRIBUTE} goes on `impl {}`, where its listeners are; any value is a component by `.component(value)`",
                item.ident
            ),
        ),
        Ok(Item::Fn(function)) => mistakes.on(
            &function.sig.ident,
            format!("{ATTRIBUTE} goes on an impl block; on a free function write `#[{NAME}]` alone"),
        ),
        Ok(other) => mistakes.on(other, format!("{ATTRIBUTE} goes on an impl block; move it to one")),
        Err(_) => mistakes.parser(error),
    }
}
