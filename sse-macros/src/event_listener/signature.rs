//! `check`: what the signature of a listener must be, the event first, then what is injected.

use syn::{FnArg, Receiver, ReceiverKind, Safety, Signature, Type};

use super::raw::Raw;
use crate::mistakes::Mistakes;
use crate::tokens::{argument_of, first_type_parameter, is_attribute, is_named, last_segment};

/// How a listener takes its event.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// `E` or `dyn Trait`.
    pub(super) ty: Type,
    /// `Arc<_>` instead of `&_`.
    pub(super) shared: bool,
}

impl Event {
    /// Whether it is heard through a trait that several events name.
    pub(super) fn is_supertype(&self) -> bool {
        matches!(self.ty, Type::TraitObject(_))
    }
}

/// The parameters of a listener, checked.
#[derive(Debug)]
pub(super) struct Parameters {
    pub(super) event: Event,
    pub(super) injected: Vec<Type>,
}

pub(super) fn check(raw: &Raw<'_>, mistakes: &mut Mistakes) -> Option<Parameters> {
    let signature = raw.signature;
    qualifiers(signature, mistakes);
    if let Some(second) = raw.attrs.iter().find(|attr| is_attribute(attr, raw.name)) {
        mistakes.on(second, format!("`#[{}]` is given twice; write all options in one", raw.name));
    }
    let mut inputs = signature.inputs.iter().peekable();
    if let Some(FnArg::Receiver(receiver)) = inputs.peek() {
        let good = self::receiver(receiver, raw.method, mistakes);
        inputs.next();
        // A method outside `#[component]` is one mistake, whatever its other parameters are.
        if !good && !raw.method {
            return None;
        }
    } else if raw.method {
        mistakes.at(
            signature.ident.span(),
            "a listener in a component takes `&self`; add it, or make this a free function",
        );
    }
    let mut inputs = inputs.filter_map(|input| match input {
        FnArg::Typed(argument) => Some(&*argument.ty),
        FnArg::Receiver(_) => None,
    });
    if raw.name != super::raw::NAME {
        let ty = syn::parse_quote!(::sse_tower::__private::ScheduledRun);
        let injected = inputs.filter_map(|ty| injected(ty, mistakes)).cloned().collect();
        return Some(Parameters { event: Event { ty, shared: false }, injected });
    }
    let Some(first) = inputs.next() else {
        mistakes.at(
            signature.ident.span(),
            format!(
                "`{}` hears no event; take it as the first parameter: `event: &MyEvent`",
                signature.ident
            ),
        );
        return None;
    };
    // Where the event is not, the rest cannot be judged.
    let event = event(first, mistakes)?;
    let injected = inputs.filter_map(|ty| injected(ty, mistakes)).cloned().collect();
    Some(Parameters { event, injected })
}

fn qualifiers(signature: &Signature, mistakes: &mut Mistakes) {
    if let Safety::Unsafe(keyword) = &signature.safety {
        mistakes.at(
            keyword.span,
            "the bus calls a listener, so it cannot be `unsafe`; take the keyword away",
        );
    }
    if let Some(abi) = &signature.abi {
        mistakes.on(abi, "a listener has Rust's own ABI; take `extern` away");
    }
    if let Some(param) = first_type_parameter(&signature.generics) {
        mistakes.on(
            param,
            "a listener is one function for one event, so it has no type parameters; write one listener for each type",
        );
    }
}

fn receiver(receiver: &Receiver, method: bool, mistakes: &mut Mistakes) -> bool {
    if !method {
        mistakes.on(
            receiver,
            "a method becomes a listener through its component; put `#[component]` on the impl block",
        );
        return false;
    }
    match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => true,
        ReceiverKind::Reference(_, _, Some(_)) => {
            mistakes.on(
                receiver,
                "a component is shared by its listeners; take `&self`, and keep what changes in a `Mutex` or an atomic",
            );
            false
        }
        _ => {
            mistakes.on(receiver, "a component is borrowed from its context; take `&self`");
            false
        }
    }
}

fn event(ty: &Type, mistakes: &mut Mistakes) -> Option<Event> {
    match ty {
        Type::Group(group) => event(&group.elem, mistakes),
        Type::Paren(paren) => event(&paren.elem, mistakes),
        Type::Reference(reference) if reference.mutability.is_some() => {
            mistakes.on(
                ty,
                "listeners share an event, so none can change it; take `&E`, and return what is to be published next",
            );
            None
        }
        Type::Reference(reference) => match bare(&reference.elem) {
            inner if is_injected(inner) => {
                event_comes_first(inner, mistakes);
                None
            }
            Type::ImplTrait(_) => one_type(ty, mistakes),
            inner => Some(Event { ty: inner.clone(), shared: false }),
        },
        Type::ImplTrait(_) => one_type(ty, mistakes),
        _ if is_injected(ty) => {
            event_comes_first(ty, mistakes);
            None
        }
        _ => match argument_of(ty, "Arc") {
            Some(inner) => Some(Event { ty: bare(inner).clone(), shared: true }),
            None => {
                let name = last_segment(ty)
                    .map_or_else(|| "MyEvent".to_owned(), |segment| segment.ident.to_string());
                mistakes
                    .on(ty, format!("listeners share an event; take `&{name}` or `Arc<{name}>`"));
                None
            }
        },
    }
}

fn one_type(ty: &Type, mistakes: &mut Mistakes) -> Option<Event> {
    mistakes.on(
        ty,
        "a listener hears one type; write `&MyEvent`, or `&dyn Trait` with `#[event(as = \"dyn Trait\")]` on the event",
    );
    None
}

/// `dyn Trait` out of `(dyn Trait)`, and a type out of the invisible group that `macro_rules!` puts around it.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Paren(paren) => bare(&paren.elem),
        Type::Group(group) => bare(&group.elem),
        other => other,
    }
}

fn is_injected(ty: &Type) -> bool {
    ["Component", "Publisher", "EventMeta", "ApplicationContext"]
        .iter()
        .any(|name| is_named(ty, name))
}

fn event_comes_first(ty: &Type, mistakes: &mut Mistakes) {
    mistakes
        .on(ty, "the event is the first parameter; put `event: &MyEvent` before what is injected");
}

fn injected<'a>(ty: &'a Type, mistakes: &mut Mistakes) -> Option<&'a Type> {
    match ty {
        Type::Reference(reference) if reference.mutability.is_some() => {
            mistakes.on(ty, "what is injected is shared; take it without `mut`");
            None
        }
        Type::Reference(reference) if is_named(&reference.elem, "Component") => Some(ty),
        Type::Reference(reference) if is_injected(&reference.elem) => {
            mistakes.on(ty, "this is injected by value; take the `&` away");
            None
        }
        Type::Reference(_) => {
            mistakes.on(
                ty,
                "only the first parameter is borrowed; inject a value of the context as `Component<…>`",
            );
            None
        }
        Type::ImplTrait(_) => {
            mistakes.on(
                ty,
                "what is injected is found by its type; write the type, such as `Component<…>`",
            );
            None
        }
        _ => Some(ty),
    }
}
