//! `Listener`, the second step: one listener, checked. Whatever is here can be expanded.

use std::time::Duration;

use proc_macro2::Ident;
use syn::{Attribute, Expr, LitStr, ReturnType};

use super::raw::Raw;
use super::signature::{self, Parameters};
use crate::mistakes::Mistakes;
use crate::options::Options;
use crate::timetable::Timetable;

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
    pub(super) durable: Option<Durable>,
}

/// What it says of events that survive the process.
#[derive(Debug, Default)]
pub(super) struct Durable {
    pub(super) attempts: Option<u32>,
    pub(super) backoff: Option<Duration>,
    pub(super) concurrency: Option<u32>,
    pub(super) ordered: bool,
    pub(super) earliest: bool,
    pub(super) stop: bool,
}

impl Listener {
    pub(crate) fn check(mut raw: Raw<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        let asynchronous = raw.signature.asyncness.is_some();
        let settings = ListenerSettings::check(&mut raw.options, asynchronous, mistakes);
        let parameters = signature::check(&raw, mistakes)?;
        if settings.durable.is_some() && parameters.event.is_supertype() {
            mistakes.on(
                &parameters.event.ty,
                "a durable listener hears one type, whose name and form are stored; write `&MyEvent`",
            );
            return None;
        }
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
        let id_at = options.span("id");
        let durable = durable(options, id_at.is_some(), mistakes);
        let unlimited = durable.is_some() && options.take_if_text("timeout", "none");
        let timeout = match unlimited {
            true => Some(UNLIMITED),
            false => options.take_duration("timeout", mistakes),
        };
        let settings = Self {
            durable,
            order: options.take_i32("order", mistakes),
            before: options.take_texts("before", "\"other_listener\"", mistakes),
            after: options.take_texts("after", "\"other_listener\"", mistakes),
            condition: condition(options, mistakes),
            spawn: options.take_flag("spawn", mistakes),
            id: id(options, mistakes),
            timeout,
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

/// `timeout = "none"`, in the milliseconds that can be written.
const UNLIMITED: Duration = Duration::from_millis(u64::MAX);

/// Options that only a durable listener has.
const OF_DURABLE: &[&str] = &["attempts", "backoff", "concurrency", "ordered", "from", "on_dead"];

/// Options that a durable listener cannot have, and why.
const NOT_DURABLE: &[(&str, &str)] = &[
    ("spawn", "it runs beside its publisher anyhow"),
    ("phase", "what it hears was committed"),
    ("fallback", "what it hears was committed"),
    ("order", "it runs by itself, when its turn comes"),
    ("before", "it runs by itself, when its turn comes"),
    ("after", "it runs by itself, when its turn comes"),
];

fn durable(options: &mut Options, has_id: bool, mistakes: &mut Mistakes) -> Option<Durable> {
    let Some(span) = options.span("durable") else {
        for (name, span) in OF_DURABLE.iter().filter_map(|name| Some((name, options.span(name)?))) {
            mistakes.at(
                span,
                format!("`{name}` is of a durable listener; add `durable`, or leave it out"),
            );
        }
        for name in OF_DURABLE {
            options.forget(name);
        }
        return None;
    };
    options.take_flag("durable", mistakes);
    if !has_id {
        mistakes.at(span, "a durable listener needs an id, by which the store knows it also when the function is renamed; add `id = \"mail\"`");
    }
    for (name, why) in NOT_DURABLE {
        if let Some(span) = options.span(name) {
            mistakes.at(span, format!("a durable listener has no `{name}`: {why}; leave it out"));
        }
    }
    let at_least_one = |name: &str, options: &mut Options, mistakes: &mut Mistakes| {
        let number = options.take_u32(name, mistakes)?;
        match number.base10_parse::<u32>() {
            Ok(0) | Err(_) => {
                mistakes.on(number, format!("`{name}` is at least 1; write `{name} = 1`"));
                None
            }
            Ok(number) => Some(number),
        }
    };
    let stop_at = options.span("on_dead");
    let durable = Durable {
        attempts: at_least_one("attempts", options, mistakes),
        backoff: options.take_duration("backoff", mistakes),
        concurrency: at_least_one("concurrency", options, mistakes),
        ordered: options.take_flag("ordered", mistakes),
        earliest: earliest(options, mistakes),
        stop: stop(options, mistakes),
    };
    if let Some(span) = stop_at
        && durable.stop
        && !durable.ordered
    {
        mistakes.at(span, "only a listener that takes one event after the other can stop at one; add `ordered`, or leave `on_dead` out");
    }
    Some(durable)
}

fn stop(options: &mut Options, mistakes: &mut Mistakes) -> bool {
    let Some(written) = options.take_text("on_dead", "\"stop\"", mistakes) else { return false };
    let stop = written.value() == "stop";
    if !stop {
        mistakes.on(&written, "after a dead letter a listener goes on with the next event, or, with `on_dead = \"stop\"`, not before somebody resumes it");
    }
    stop
}

fn earliest(options: &mut Options, mistakes: &mut Mistakes) -> bool {
    let Some(from) = options.take_text("from", "\"earliest\"", mistakes) else { return false };
    let earliest = from.value() == "earliest";
    if !earliest {
        mistakes.on(&from, "a new listener begins with what is published from now on, or `from = \"earliest\"`: with what is kept");
    }
    earliest
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
    one_word(options.take_text("id", "\"audit\"", mistakes), mistakes)
}

/// A name by which a store, the log and people know something.
pub(crate) fn one_word(name: Option<LitStr>, mistakes: &mut Mistakes) -> Option<LitStr> {
    let name = name?;
    if name.value().contains(|c: char| c.is_whitespace() || c.is_control()) {
        mistakes
            .on(&name, "an id is one word; write it without white space, such as \"audit-log\"");
        return None;
    }
    Some(name)
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
