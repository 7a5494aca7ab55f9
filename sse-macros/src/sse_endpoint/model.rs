//! `Endpoint`, the second step: what was written, checked. Whatever is here can be expanded.

use std::time::Duration;

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::{Expr, GenericArgument, Ident, ItemFn, LitStr, PathArguments, ReturnType, Safety, Type};

use super::arguments::Arguments;
use super::path;
use super::raw::{ATTRIBUTE, Raw};
use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::tokens::{first_type_parameter, is_named, last_segment};

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// A handler that opens a stream.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) function: ItemFn,
    pub(super) settings: StreamSettings,
    pub(super) form: Form,
    /// The types `T` of its `Component<T>` parameters.
    pub(super) components: Vec<Vec<Type>>,
    pub(super) route: Option<Route>,
}

/// What the attribute says of the stream.
#[derive(Debug)]
pub(super) struct StreamSettings {
    pub(super) timeout: Option<Duration>,
    pub(super) keep_alive: Option<Duration>,
    pub(super) retry: Option<Duration>,
}

/// Where the emitter comes from.
#[derive(Debug)]
pub(super) enum Form {
    /// The handler returns it.
    Returns(Box<Type>),
    /// The handler takes it as this parameter, and its body runs beside the response.
    Takes(usize),
}

/// Where the handler is reached, and what it needs for that.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) path: LitStr,
    pub(super) method: Ident,
    pub(super) arguments: Vec<Type>,
    pub(super) state: State,
}

/// What the router's state has to be for this handler.
#[derive(Debug)]
pub(super) enum State {
    /// One type, from which every `State<..>` is made by `FromRef`; `()` if none is needed.
    One(Option<Box<Type>>),
    /// Several types, each taken from the context.
    Several(Vec<Type>),
}

impl Endpoint {
    pub(super) fn check(raw: Raw, mistakes: &mut Mistakes) -> Option<Self> {
        let Raw { mut options, function } = raw;
        let settings = StreamSettings {
            timeout: options.take_duration("timeout", mistakes),
            keep_alive: options.take_duration("keep_alive", mistakes),
            retry: options.take_duration("retry", mistakes),
        };
        check_function(&function, mistakes);
        let arguments = Arguments::check(&function.sig, mistakes);
        let form = form(&function, &arguments, mistakes);
        let components = arguments.components().into_iter();
        let components = components.map(|it| it.into_iter().cloned().collect()).collect();
        let route = route(&mut options, &function, arguments, mistakes);
        Some(Self { function, settings, form: form?, components, route })
    }
}

fn check_function(function: &ItemFn, mistakes: &mut Mistakes) {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        mistakes.at(
            signature.fn_token.span,
            format!("a handler is asynchronous; write `async fn {}`", signature.ident),
        );
    }
    if let Safety::Unsafe(keyword) = &signature.safety {
        mistakes.at(keyword.span, "a handler cannot be `unsafe`; take the keyword away");
    }
    if let Some(abi) = &signature.abi {
        mistakes.on(abi, "a handler has Rust's own ABI; take `extern` away");
    }
    if let Some(second) =
        function.attrs.iter().find(|attr| crate::tokens::is_attribute(attr, "sse_endpoint"))
    {
        mistakes.on(second, format!("{ATTRIBUTE} is given twice; write all options in one"));
    }
}

fn form(function: &ItemFn, arguments: &Arguments, mistakes: &mut Mistakes) -> Option<Form> {
    let returned = match &function.sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(ty),
    };
    match (arguments.emitter, returned) {
        (Some(_), Some(ty)) if gives_emitter(ty) => {
            mistakes.on(
                ty,
                "this handler takes an emitter and returns one; leave out the parameter, or return `()` or `Result<(), E>`",
            );
            None
        }
        (Some(at), _) => Some(Form::Takes(at)),
        (None, Some(ty)) => {
            if let Type::Tuple(tuple) = &**ty
                && tuple.elems.is_empty()
            {
                no_stream(ty.span(), function, mistakes);
                return None;
            }
            Some(Form::Returns(ty.clone()))
        }
        (None, None) => {
            no_stream(function.sig.ident.span(), function, mistakes);
            None
        }
    }
}

fn no_stream(span: Span, function: &ItemFn, mistakes: &mut Mistakes) {
    mistakes.at(
        span,
        format!(
            "`{}` opens no stream; return `SseEmitter` or `Result<SseEmitter, impl IntoResponse>`, or take `emitter: SseEmitter`",
            function.sig.ident
        ),
    );
}

/// `SseEmitter`, or something whose first type argument is one.
fn gives_emitter(ty: &Type) -> bool {
    if is_named(ty, "SseEmitter") {
        return true;
    }
    let Some(PathArguments::AngleBracketed(arguments)) =
        last_segment(ty).map(|segment| &segment.arguments)
    else {
        return false;
    };
    matches!(arguments.args.first(), Some(GenericArgument::Type(first)) if is_named(first, "SseEmitter"))
}

fn route(
    options: &mut Options,
    function: &ItemFn,
    arguments: Arguments,
    mistakes: &mut Mistakes,
) -> Option<Route> {
    if options.span("path").is_none() {
        for name in ["method", "state"] {
            if let Some(span) = options.span(name) {
                mistakes.at(
                    span,
                    format!("`{name}` is for a collected endpoint; add `path = \"/…\"`, or leave it out and route by hand"),
                );
            }
        }
        return None;
    }
    let path = options.take_text("path", "\"/push\"", mistakes);
    if let Some(path) = &path
        && let Some(said) = path::mistake(&path.value())
    {
        mistakes.on(path, said);
    }
    let method = method(options, mistakes);
    let state = options.take_expr("state", "AppState", mistakes).and_then(|state| match state {
        Expr::Path(path) => Some(Type::Path(syn::TypePath {
            attrs: Vec::new(),
            qself: path.qself,
            path: path.path,
        })),
        other => {
            mistakes
                .on(other, "`state` is the type of the router's state; write `state = AppState`");
            None
        }
    });
    if let Some(param) = first_type_parameter(&function.sig.generics) {
        mistakes.on(param, "a collected endpoint is one function, so it has no type parameters; leave `path` out and route it by hand");
    }
    for ty in &arguments.types {
        if let Type::ImplTrait(_) = ty {
            mistakes.on(ty, "a collected endpoint names the types it takes; write the type, or leave `path` out and route it by hand");
        }
    }
    let method = method?;
    arguments.check_bodies(&method, mistakes);
    let states: Vec<Type> = arguments.states().into_iter().cloned().collect();
    let state = match (state, states.len()) {
        (Some(named), _) => State::One(Some(Box::new(named))),
        (None, 0 | 1) => State::One(states.into_iter().next().map(Box::new)),
        (None, _) => State::Several(states),
    };
    Some(Route { path: path?, method, arguments: arguments.types, state })
}

fn method(options: &mut Options, mistakes: &mut Mistakes) -> Option<Ident> {
    if options.span("method").is_none() {
        return Some(Ident::new("GET", Span::call_site()));
    }
    let written = options.take_text("method", "\"GET\"", mistakes)?;
    let upper = written.value().to_ascii_uppercase();
    if !METHODS.contains(&upper.as_str()) {
        let list = METHODS.join(", ");
        mistakes.on(&written, format!("`{}` opens no stream; use one of {list}", written.value()));
        return None;
    }
    if upper != written.value() {
        mistakes
            .on(&written, format!("methods are written in capitals; write `method = \"{upper}\"`"));
        return None;
    }
    Some(Ident::new(&upper, Span::call_site()))
}
