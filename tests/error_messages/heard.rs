//! What a person gets to see: the text of an error, a panic, a line of the log.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// The error reads like this, also where `unwrap` or a `main` that returns it prints `Debug`.
#[track_caller]
pub(crate) fn says(error: &(dyn Error + 'static), expected: &str) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").unwrap();
        cause = error.source();
    }
    assert_eq!(without_lines(&text), expected);
    assert_eq!(without_lines(&format!("{error:?}")), expected, "as `main` prints it");
}

/// `messages/wiring.rs:12:34` → `wiring.rs:…`: a place is there, and the page can be edited.
pub(crate) fn without_lines(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(".rs:") {
        let path = before.rfind([' ', '\n', '=']).map_or(0, |space| space + 1);
        let file = before.rfind('/').map_or(path, |slash| slash + 1).max(path);
        write!(out, "{}{}.rs:…", &before[..path], &before[file..]).unwrap();
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let line = digits(after);
        rest = match after[line..].strip_prefix(':') {
            Some(column) if column.starts_with(|c: char| c.is_ascii_digit()) => {
                &column[digits(column)..]
            }
            _ => &after[line..],
        };
    }
    out + rest
}

/// What `f` panics with.
#[track_caller]
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(f)) else { panic!("it did not panic") };
    let text = panic.downcast_ref::<String>().cloned();
    without_lines(&text.unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).to_owned()))
}

/// What this thread has logged since it began to [`listen`], as `LEVEL text field=value`; only what is
/// wrong.
pub(crate) fn logged() -> String {
    LINES.with_borrow_mut(std::mem::take).join("\n")
}

/// Begins to listen, if nobody does.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    // For the whole process: whether a line is of interest is decided once for all threads.
    ONCE.call_once(|| tracing::subscriber::set_global_default(Lines).unwrap());
    LINES.with_borrow_mut(Vec::clear);
}

/// Begins to keep all that any crate logs, at any level and on any thread, for [`everything_logged`].
pub(crate) fn listen_to_everything() {
    listen();
    *everything() = Some(String::new());
}

/// All that was logged since [`listen_to_everything`].
pub(crate) fn everything_logged() -> String {
    everything().take().unwrap_or_default()
}

fn everything() -> std::sync::MutexGuard<'static, Option<String>> {
    static EVERYTHING: Mutex<Option<String>> = Mutex::new(None);
    EVERYTHING.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

#[derive(Default)]
struct Line {
    text: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.text, "{value:?}").unwrap();
        } else {
            write!(self.fields, " {field}={value:?}").unwrap();
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut line = Line::default();
        event.record(&mut line);
        if let Some(all) = &mut *everything() {
            writeln!(all, "{} {}{}", event.metadata().target(), line.text, line.fields).unwrap();
        }
        if level > tracing::Level::WARN || event.metadata().target() != "sse_tower" {
            return;
        }
        let line = without_lines(&format!("{level} {}{}", line.text, line.fields));
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
