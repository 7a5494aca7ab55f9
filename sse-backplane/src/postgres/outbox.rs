//! What is stored in a transaction of the application.

use std::fmt::Write;

use sse_tower_core::backplane::{
    EngineError, EngineErrorKind, EngineFuture, Entry, OnceIn, StoreIn,
};
use tokio_postgres::{Transaction, error::SqlState, types::Type};

use super::{
    names::Names,
    values::{self, Columns, Uuid},
};

/// Stands for `tokio_postgres`: its transactions are `StoreIn<TokioPostgres>` and `OnceIn<TokioPostgres>`.
#[derive(Clone, Copy, Debug)]
pub enum TokioPostgres {}

/// A statement with its one parameter, for whatever driver a program has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboxSql {
    /// The statement: an insert, with `$1` for the parameter.
    pub text: String,
    /// The parameter, a text.
    pub parameter: String,
}

/// How to store entries in a transaction of a driver that this crate does not know: execute the text with the parameter
/// in it. Needs no right but to insert into the outbox.
///
/// # Errors
/// The namespace or an entry cannot be stored: too large, or a NUL in a name.
///
/// ```
/// # use sse_tower_backplane::postgres::outbox_sql;
/// # use sse_tower_core::backplane::{Change, Entry, Keep, Topic};
/// # use std::time::Duration;
/// # let keep = Keep { events: 64, bytes: 1 << 20, age: Duration::from_secs(60) };
/// let entry = Entry { topic: Topic::new("orders").unwrap(), change: Change::Complete, keep };
/// let sql = outbox_sql("shop", &[entry]).unwrap();
/// assert!(sql.text.starts_with(r#"insert into "sse_shop".outbox"#));
/// ```
pub fn outbox_sql(namespace: &str, entries: &[Entry]) -> Result<OutboxSql, EngineError> {
    values::check(entries)?;
    let names = Names::new(namespace)?;
    Ok(OutboxSql { text: names.sql(INSERT).into_owned(), parameter: rows(&Columns::of(entries)) })
}

/// One text with everything, so that no driver has to know arrays or types of its own. Bytes are hexadecimal.
const INSERT: &str = "insert into sse.outbox (topic, slot, events, bytes, age, kind, body, once, holder, name, version, \
     event_id, head) \
     select decode(r.topic, 'hex'), r.slot, r.events, r.bytes, r.age, r.kind, decode(r.body, 'hex'), \
     decode(r.once, 'hex'), r.holder, convert_from(decode(r.name, 'hex'), 'UTF8'), r.version, r.id::uuid, \
     decode(r.head, 'hex') \
     from jsonb_to_recordset($1::text::jsonb) as r (topic text, slot int, events int, bytes bigint, age bigint, \
     kind smallint, body text, once text, holder bigint, name text, version bigint, id text, head text)";

const ONCE: &str =
    "insert into sse.inbox (listener, event_id) values ($1, $2::text::uuid) on conflict do nothing";

/// Entries as JSON. Nothing in it needs escaping: numbers, and letters and digits.
fn rows(columns: &Columns<'_>) -> String {
    let mut out = String::from("[");
    for row in 0..columns.kinds.len() {
        out.push_str(if row == 0 { "{" } else { ",{" });
        // Writing to a `String` cannot fail.
        let _ = write!(
            out,
            r#""slot":{},"events":{},"bytes":{},"age":{},"kind":{}"#,
            columns.slots[row],
            columns.events[row],
            columns.bytes[row],
            columns.ages[row],
            columns.kinds[row],
        );
        if let Some(holder) = columns.holders[row] {
            let _ = write!(out, r#","holder":{holder}"#);
        }
        if let Some(version) = columns.versions[row] {
            let _ = write!(out, r#","version":{version}"#);
        }
        if let Some(Uuid(id)) = columns.ids[row] {
            let _ = write!(out, r#","id":"{id:032x}""#);
        }
        hex(&mut out, "topic", columns.topics[row]);
        hex(&mut out, "body", columns.bodies[row]);
        hex(&mut out, "once", columns.onces[row]);
        hex(&mut out, "name", columns.names[row].map(str::as_bytes));
        hex(&mut out, "head", columns.heads[row]);
        out.push('}');
    }
    out.push(']');
    out
}

fn hex(out: &mut String, name: &str, bytes: Option<&[u8]>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let Some(bytes) = bytes else { return };
    out.reserve(bytes.len() * 2 + name.len() + 6);
    let _ = write!(out, r#","{name}":""#);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out.push('"');
}

/// The statement and the parameters for `once`: texts, for any driver.
pub(super) fn once_sql(
    namespace: &str,
    listener: &str,
    event_id: u128,
) -> Result<(String, String), EngineError> {
    values::text(listener, "the id of a listener")?;
    Ok((Names::new(namespace)?.sql(ONCE).into_owned(), format!("{event_id:032x}")))
}

/// What a driver said about a transaction of the application. `code`: the SQLSTATE, if the database spoke.
pub(super) fn failed(
    namespace: &str,
    code: Option<&str>,
    error: impl std::error::Error + Send + Sync + 'static,
) -> EngineError {
    let is = |state: &SqlState| code == Some(state.code());
    let (kind, message) = if is(&SqlState::UNDEFINED_TABLE) || is(&SqlState::INVALID_SCHEMA_NAME) {
        let message = format!(
            "the schema of namespace {namespace} is not in the database of this transaction: open the backplane there \
             first, or run backplane::postgres::schema",
        );
        (EngineErrorKind::Refused, message)
    } else if is(&SqlState::INSUFFICIENT_PRIVILEGE) {
        let message = format!(
            "this role may not store into namespace {namespace}: grant usage on its schema, insert on outbox and inbox, \
             and select on inbox",
        );
        (EngineErrorKind::Refused, message)
    } else {
        (EngineErrorKind::Unavailable, "the transaction could not store it".to_owned())
    };
    EngineError::new(kind, message).with_source(error)
}

impl StoreIn<TokioPostgres> for Transaction<'_> {
    fn store<'a>(&'a mut self, namespace: &'a str, entries: &'a [Entry]) -> EngineFuture<'a, ()> {
        Box::pin(async move {
            if entries.is_empty() {
                return Ok(());
            }
            let sql = outbox_sql(namespace, entries)?;
            let done = self.execute_typed(&sql.text, &[(&sql.parameter, Type::TEXT)]).await;
            let said = |error: tokio_postgres::Error| {
                let code = error.code().map(|code| code.code().to_owned());
                failed(namespace, code.as_deref(), error)
            };
            done.map(drop).map_err(said)
        })
    }
}

impl OnceIn<TokioPostgres> for Transaction<'_> {
    fn once<'a>(
        &'a mut self,
        namespace: &'a str,
        listener: &'a str,
        event_id: u128,
    ) -> EngineFuture<'a, bool> {
        Box::pin(async move {
            let (text, id) = once_sql(namespace, listener, event_id)?;
            let done =
                self.execute_typed(&text, &[(&listener, Type::TEXT), (&id, Type::TEXT)]).await;
            done.map(|rows| rows == 1).map_err(|error| {
                let code = error.code().map(|code| code.code().to_owned());
                failed(namespace, code.as_deref(), error)
            })
        })
    }
}
