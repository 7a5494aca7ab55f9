//! `Listener`, the second step: one listener, checked. Whatever is here can be expanded.

use std::time::Duration;

use proc_macro2::Ident;
use syn::{Attribute, Expr, LitStr, ReturnType};

use super::raw::Raw;
use super::signature::{self, Parameters};
use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::scheduled::Timetable;

/// The phases of a transaction, as they are written and as `__private::Phase` names them.
const PHASES: &[(&str, &str)] = &[
    ("before-commit", "BeforeCommit"),
    ("after-commit", "AfterCommit"),
    ("after-rollback", "AfterRollback"),
    ("after-completion", "AfterCompletion"),
];

/// A function that hears one event.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) ident: Ident,
    pub(super) cfgs: Vec<Attribute>,
    pub(super) asynchronous: bool,
    pub(super) parameters: Parameters,
    pub(super) output: ReturnType,
    pub(super) settings: ListenerSettings,
    /// Of a scheduled function: its timetable, for the path that it is given.
    pub(super) timetable: Option<Timetable>,
}

/// What the attribute says.
#[derive(Debug, Default)]
pub(super) struct ListenerSettings {
    pub(super) order: Option<i32>,
    pub(super) before: Vec<LitStr>,
    pub(super) after: Vec<LitStr>,
    pub(super) condition: Option<Expr>,
    pub(super) spawn: bool,
    pub(super) id: Option<LitStr>,
    pub(super) timeout: Option<Duration>,
    /// The phase's name in `__private`.
    pub(super) phase: Option<&'static str>,
    pub(super) fallback: bool,
}

impl Listener {
    pub(crate) fn check(mut raw: Raw<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        let asynchronous = raw.signature.asyncness.is_some();
        let settings = ListenerSettings::check(&mut raw.options, asynchronous, mistakes);
        let parameters = signature::check(&raw, mistakes)?;
        Some(Self {
            ident: raw.signature.ident.clone(),
            cfgs: crate::tokens::cfgs(raw.attrs).into_iter().cloned().collect(),
            asynchronous,
            parameters,
            output: raw.signature.output.clone(),
            settings,
            timetable: None,
        })
    }
}

impl Listener {
    /// A scheduled function: it takes no event, and what is injected alone.
    pub(crate) fn scheduled(
        raw: &Raw<'_>,
        timetable: Option<Timetable>,
        id: Option<LitStr>,
        timeout: Option<Duration>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let parameters = signature::check(raw, mistakes)?;
        Some(Self {
            ident: raw.signature.ident.clone(),
            cfgs: crate::tokens::cfgs(raw.attrs).into_iter().cloned().collect(),
            asynchronous: raw.signature.asyncness.is_some(),
            parameters,
            output: raw.signature.output.clone(),
            settings: ListenerSettings { id, timeout, ..ListenerSettings::default() },
            timetable: Some(timetable?),
        })
    }
}

impl ListenerSettings {
    fn check(options: &mut Options, asynchronous: bool, mistakes: &mut Mistakes) -> Self {
        let fallback = options.span("fallback");
        let timeout_at = options.span("timeout");
        let spawn_at = options.span("spawn");
        let settings = Self {
            order: options.take_i32("order", mistakes),
            before: options.take_texts("before", "\"other_listener\"", mistakes),
            after: options.take_texts("after", "\"other_listener\"", mistakes),
            condition: condition(options, mistakes),
            spawn: options.take_flag("spawn", mistakes),
            id: id(options, mistakes),
            timeout: options.take_duration("timeout", mistakes),
            phase: phase(options, mistakes),
            fallback: options.take_flag("fallback", mistakes),
        };
        if let Some(span) = fallback
            && settings.phase.is_none()
        {
            mistakes.at(
                span,
                "`fallback` says what a transaction's listener does without one; add `phase = \"after-commit\"`, or leave it out",
            );
        }
        if let Some(span) = spawn_at
            && !asynchronous
        {
            mistakes.at(span, "a synchronous listener runs to its end where it is called; make it an `async fn`, or leave `spawn` out");
        }
        if let Some(span) = timeout_at
            && !asynchronous
            && settings.timeout.is_some()
        {
            mistakes.at(span, "nothing can stop a synchronous listener half way; make it an `async fn`, or leave `timeout` out");
        }
        settings
    }
}

fn condition(options: &mut Options, mistakes: &mut Mistakes) -> Option<Expr> {
    const EXAMPLE: &str = "|event: &MyEvent| event.amount > 100";
    match options.take_expr("condition", EXAMPLE, mistakes)? {
        Expr::Closure(closure) if closure.inputs.len() != 1 => {
            mistakes.at(
                closure.inputs_begin.span,
                format!("a condition looks at the event; write `condition = {EXAMPLE}`"),
            );
            None
        }
        Expr::Closure(closure) if closure.asyncness.is_some() => {
            mistakes.on(
                closure.asyncness,
                "a condition is decided at once; take `async` away, or ask in the listener",
            );
            None
        }
        condition @ (Expr::Closure(_) | Expr::Path(_) | Expr::Group(_) | Expr::Paren(_)) => {
            Some(condition)
        }
        other => {
            mistakes.on(
                other,
                format!("a condition is a closure over the event; write `condition = {EXAMPLE}`"),
            );
            None
        }
    }
}

fn id(options: &mut Options, mistakes: &mut Mistakes) -> Option<LitStr> {
    let id = options.take_text("id", "\"audit\"", mistakes)?;
    if id.value().contains(|c: char| c.is_whitespace() || c.is_control()) {
        mistakes.on(&id, "an id is one word; write it without white space, such as \"audit-log\"");
        return None;
    }
    Some(id)
}

fn phase(options: &mut Options, mistakes: &mut Mistakes) -> Option<&'static str> {
    let written = options.take_text("phase", "\"after-commit\"", mistakes)?;
    // Spring's spelling has underscores; nothing else could be meant by one.
    let value = written.value().replace('_', "-");
    let found = PHASES.iter().find(|(name, _)| *name == value).map(|(_, private)| *private);
    if found.is_none() {
        let list =
            PHASES.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        mistakes.on(
            &written,
            format!("`{}` is no phase of a transaction; use one of {list}", written.value()),
        );
    }
    found
}
