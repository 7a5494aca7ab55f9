//! What several attributes ask of the user's tokens, and the few tokens they all generate.

use std::time::Duration;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, GenericArgument, GenericParam, Generics, Ident, PathArguments, PathSegment, Type,
};

/// The place of `span`, with names resolved where the attribute stands, as `quote!` does.
///
/// The user's own span alone would also carry *its* hygiene: in an item made by `macro_rules!` a variable
/// declared by generated code could then not be found by it.
pub(crate) fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// `ident` as a name to call at `span`, so that what is wrong with the call is said there.
pub(crate) fn called_at(ident: &Ident, span: Span) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(span);
    ident
}

/// `tokens` in parentheses that stand at `span`.
pub(crate) fn arguments_at(span: Span, tokens: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Parenthesis, tokens);
    group.set_span(span);
    group
}

/// The spans of the first and the last token: what is written from one to the other covers all of `tokens`.
pub(crate) fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut first = None;
    let mut last = Span::call_site();
    for token in tokens.to_token_stream() {
        let (opened, closed) = match &token {
            TokenTree::Group(group) => (group.span_open(), group.span_close()),
            other => (other.span(), other.span()),
        };
        first.get_or_insert(opened);
        last = closed;
    }
    (first.unwrap_or(last), last)
}

/// The last segment of a type that is a path, seen through the invisible groups of `macro_rules!`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

/// Whether `ty` is a path that ends in `name`.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// `T` of `Name<T>`, if `ty` is a path that ends so.
pub(crate) fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    arguments_of(ty, name).into_iter().next()
}

/// `A` and `B` of `Name<A, B>`, if `ty` is a path that ends so.
pub(crate) fn arguments_of<'a>(ty: &'a Type, name: &str) -> Vec<&'a Type> {
    let Some(segment) = last_segment(ty).filter(|segment| segment.ident == name) else {
        return Vec::new();
    };
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Vec::new() };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// The first type or constant parameter; lifetimes are no hindrance to a static registration.
pub(crate) fn first_type_parameter(generics: &Generics) -> Option<&GenericParam> {
    generics.params.iter().find(|param| !matches!(param, GenericParam::Lifetime(_)))
}

/// The `#[cfg]`s of an item: what is generated for it must come and go with it.
pub(crate) fn cfgs(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
}

/// Whether `attr` is `#[name]`, by any path (`#[sse_tower::name]` too).
pub(crate) fn is_attribute(attr: &Attribute, name: &str) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == name)
}

/// An `Option<Duration>` as a constant expression.
pub(crate) fn duration(value: Option<Duration>) -> TokenStream {
    match value.map(milliseconds) {
        Some(milliseconds) => {
            quote!(::core::option::Option::Some(::core::time::Duration::from_millis(#milliseconds)))
        }
        None => quote!(::core::option::Option::None),
    }
}

/// Whole milliseconds, which is the finest that `duration::parse` reads.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A constant that says where `span` is: its file, line and column.
///
/// The bare span on purpose: `Location::caller` answers with the place of the call's tokens, and resolved
/// anywhere else that would be the attribute, not the function's name. The path is absolute, so it resolves.
pub(crate) fn here(span: Span) -> TokenStream {
    quote_spanned!(span=> ::sse_tower::__private::here())
}

/// `tokens` with `Self` written out as `this`, for code that stands outside the impl block.
pub(crate) fn without_self(tokens: TokenStream, this: &Type) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut written = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "Self" => {
                // `Self::Event` needs the brackets, `Component<Self>` must not have them.
                let qualified = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
                written.extend(if qualified { quote!(<#this>) } else { quote!(#this) });
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_self(group.stream(), this));
                inner.set_span(group.span());
                written.extend([TokenTree::Group(inner)]);
            }
            other => written.extend([other]),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn self_is_written_out_where_the_impl_does_not_reach() {
        let this: Type = syn::parse_quote!(Desk<u8>);
        let written = without_self(quote!(Component<Self>, [Self::LIMIT; 2], &Self), &this);
        // How punctuation is joined differs, and means nothing.
        let spaceless = |tokens: TokenStream| tokens.to_string().replace(' ', "");
        assert_eq!(
            spaceless(written),
            spaceless(quote!(Component<Desk<u8>>, [<Desk<u8>>::LIMIT; 2], &Desk<u8>))
        );
    }
}
