//! What went wrong, in words that say what to do.

use std::{error::Error as _, fmt};

use sse_tower_core::backplane::{EngineError, EngineErrorKind};
use tokio_postgres::{Error, error::SqlState};

use super::address::Address;
use crate::causes;

/// An error that many callers are told.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    kind: EngineErrorKind,
    message: Box<str>,
    /// The schema is not there: it was dropped while this ran.
    pub(super) schema: bool,
}

impl Failure {
    pub(super) fn unavailable(message: impl Into<Box<str>>) -> Self {
        Self { kind: EngineErrorKind::Unavailable, message: message.into(), schema: false }
    }

    pub(super) fn refused(message: impl Into<Box<str>>) -> Self {
        Self { kind: EngineErrorKind::Refused, message: message.into(), schema: false }
    }

    /// What the driver said. Nothing of it holds a value that was sent.
    pub(super) fn explain(error: &Error, address: &Address, schema: &str) -> Self {
        match error.as_db_error() {
            Some(said) => {
                let mut failure = told(said.code(), said.message(), address, schema);
                failure.schema = is_schema(said.code());
                failure
            }
            None => unheard(error, address),
        }
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        Self::new(failure.kind, failure.message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn is_schema(code: &SqlState) -> bool {
    [SqlState::INVALID_SCHEMA_NAME, SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_FUNCTION]
        .contains(code)
}

/// The server said no.
fn told(code: &SqlState, message: &str, address: &Address, schema: &str) -> Failure {
    let (user, database) = (address.user(), address.database());
    if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code) {
        return Failure::refused(format!(
            "PostgreSQL at {address} does not let {user} in: {message}. Look at user, password and sslmode in the URL, \
             and at pg_hba.conf",
        ));
    }
    if *code == SqlState::INVALID_CATALOG_NAME {
        return Failure::refused(format!(
            "there is no database {database} at {address}: create it (createdb {database}), or name another in the URL",
        ));
    }
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return Failure::refused(format!(
            "{user} lacks a right in database {database}: {message}. Either let it make the schema (grant create on \
             database {database} to {user}), or run backplane::postgres::schema as the owner and grant usage on schema \
             {schema} and select, insert, update, delete on all its tables",
        ));
    }
    if is_schema(code) {
        return Failure::unavailable(format!(
            "the schema {schema} is not complete: {message}. It is made anew"
        ));
    }
    let class = code.code().get(..2).unwrap_or_default();
    // Connections, resources, operators, the system, rollbacks, locks: all may be better next time. So may a server
    // that only reads, since another becomes the primary.
    match class {
        "08" | "25" | "40" | "53" | "55" | "57" | "58" | "XX" => {
            Failure::unavailable(format!("PostgreSQL at {address} could not: {message}"))
        }
        _ => Failure::refused(format!(
            "PostgreSQL at {address} refused: {message} ({})",
            code.code()
        )),
    }
}

/// Nothing was heard of the server, or nothing that can be read.
fn unheard(error: &Error, address: &Address) -> Failure {
    if let Some(tls) = causes::tls(error) {
        return Failure::refused(format!(
            "the certificate of PostgreSQL at {address} is not trusted ({tls}): name the file with the one that \
             signed it by sslrootcert=, and the host as it is called there",
        ));
    }
    let text = error.to_string();
    let cause = error.source().map(ToString::to_string);
    let why = cause.as_ref().unwrap_or(&text);
    if text.contains("TLS") {
        return Failure::refused(format!(
            "PostgreSQL at {address} offers no encryption ({why}): turn ssl on there, or say sslmode=disable",
        ));
    }
    if text.contains("authentication") || text.contains("configuration") {
        return Failure::refused(format!(
            "PostgreSQL at {address} does not let {} in: {why}. Look at user and password in the URL",
            address.user(),
        ));
    }
    Failure::unavailable(format!(
        "PostgreSQL at {address} does not answer ({why}): is it running, and can it be reached from here?",
    ))
}
