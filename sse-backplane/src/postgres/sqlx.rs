//! Transactions of `sqlx`.

use sqlx::{AssertSqlSafe, Postgres, Transaction};
use sse_tower_core::backplane::{EngineError, EngineFuture, Entry, OnceIn, StoreIn};

use super::outbox::{failed, once_sql, outbox_sql};

/// Stands for `sqlx`: its transactions at PostgreSQL are `StoreIn<Sqlx>` and `OnceIn<Sqlx>`.
#[derive(Clone, Copy, Debug)]
pub enum Sqlx {}

fn said(namespace: &str, error: sqlx::Error) -> EngineError {
    let code = error.as_database_error().and_then(|said| said.code()).map(|code| code.into_owned());
    failed(namespace, code.as_deref(), error)
}

impl StoreIn<Sqlx> for Transaction<'_, Postgres> {
    fn store<'a>(&'a mut self, namespace: &'a str, entries: &'a [Entry]) -> EngineFuture<'a, ()> {
        Box::pin(async move {
            if entries.is_empty() {
                return Ok(());
            }
            let sql = outbox_sql(namespace, entries)?;
            // Not under a name: a pooler would lose it. The text is ours, and what varies is the parameter.
            let insert = sqlx::query(AssertSqlSafe(sql.text)).bind(sql.parameter).persistent(false);
            insert.execute(&mut **self).await.map(drop).map_err(|error| said(namespace, error))
        })
    }
}

impl OnceIn<Sqlx> for Transaction<'_, Postgres> {
    fn once<'a>(
        &'a mut self,
        namespace: &'a str,
        listener: &'a str,
        event_id: u128,
    ) -> EngineFuture<'a, bool> {
        Box::pin(async move {
            let (text, id) = once_sql(namespace, listener, event_id)?;
            let insert = sqlx::query(AssertSqlSafe(text)).bind(listener).bind(id).persistent(false);
            let done = insert.execute(&mut **self).await.map_err(|error| said(namespace, error))?;
            Ok(done.rows_affected() == 1)
        })
    }
}
