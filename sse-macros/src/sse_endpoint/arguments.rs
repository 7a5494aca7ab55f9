//! `Arguments`: what the parameters of a handler say. Which is the emitter, which states and components it needs.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::{FnArg, Ident, Pat, Signature, Type};

use super::raw::ATTRIBUTE;
use crate::mistakes::Mistakes;
use crate::tokens::{argument_of, arguments_of, is_named};

/// Extractors that read a body, which a GET request does not have.
const BODIES: &[&str] = &["Json", "Bytes", "String", "Body", "Multipart", "Request"];

/// The types of the parameters in order, and where the emitter is among them.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) types: Vec<Type>,
    pub(super) emitter: Option<usize>,
}

impl Arguments {
    pub(super) fn check(signature: &Signature, mistakes: &mut Mistakes) -> Self {
        let mut arguments = Self::default();
        for (at, input) in signature.inputs.iter().enumerate() {
            let argument = match input {
                FnArg::Typed(argument) => argument,
                FnArg::Receiver(receiver) => {
                    mistakes.on(
                        receiver,
                        format!("{ATTRIBUTE} goes on a free function; take the component as a parameter: `this: Component<…>`"),
                    );
                    continue;
                }
            };
            let ty = &*argument.ty;
            if let Type::Reference(reference) = ty
                && is_named(&reference.elem, "SseEmitter")
            {
                mistakes.on(ty, "the emitter is taken by value; write `emitter: SseEmitter`");
                arguments.emitter = Some(at);
            }
            if is_named(ty, "SseEmitter") {
                if arguments.emitter.is_some() {
                    mistakes.on(argument, "a request has one stream; take one `SseEmitter`");
                } else if !matches!(&*argument.pat, Pat::Ident(_) | Pat::Wild(_)) {
                    mistakes
                        .on(&argument.pat, "give the emitter a name; write `emitter: SseEmitter`");
                }
                arguments.emitter = Some(at);
            }
            arguments.types.push(ty.clone());
        }
        arguments
    }

    /// The types `T` of `State<T>`, each once.
    pub(super) fn states(&self) -> Vec<&Type> {
        let mut states: Vec<&Type> = Vec::new();
        for state in self.types.iter().filter_map(|ty| argument_of(ty, "State")) {
            if !states.contains(&state) {
                states.push(state);
            }
        }
        states
    }

    /// The types `T` of `Component<T>`, and `T` with `N` of `Component<T, N>`, each once.
    pub(super) fn components(&self) -> Vec<Vec<&Type>> {
        let mut components: Vec<Vec<&Type>> = Vec::new();
        for component in self.types.iter().map(|ty| arguments_of(ty, "Component")) {
            if !component.is_empty() && !components.contains(&component) {
                components.push(component);
            }
        }
        components
    }

    /// Notes the extractors that no request of `method` can satisfy.
    pub(super) fn check_bodies(&self, method: &Ident, mistakes: &mut Mistakes) {
        if method != "GET" {
            return;
        }
        for ty in &self.types {
            if let Some(name) = BODIES.iter().find(|name| is_named(ty, name)) {
                mistakes.on(
                    ty,
                    format!("a GET request has no body for `{name}`; take `Query<…>`, or add `method = \"POST\"`"),
                );
            }
        }
    }
}

/// A name for the emitter's parameter, and the span of what the user wrote there.
pub(super) fn name(signature: &Signature, at: usize) -> (Ident, Span) {
    if let Some(FnArg::Typed(argument)) = signature.inputs.iter().nth(at)
        && let Pat::Ident(pattern) = &*argument.pat
    {
        return (pattern.ident.clone(), pattern.ident.span());
    }
    let span = signature.inputs.iter().nth(at).map_or_else(Span::call_site, |input| input.span());
    (Ident::new("__emitter", Span::call_site()), span)
}
