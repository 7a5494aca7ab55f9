//! Where a namespace is in the database: a schema of its own.

use std::borrow::Cow;

use sse_tower_core::backplane::EngineError;

/// What the namespace `sse` needs in the database, for those who do migrations by hand; `open` runs it otherwise.
/// It may be run again. For another namespace: [`schema`].
pub const SCHEMA: &str = concat!(
    include_str!("schema/log.sql"),
    include_str!("schema/queue.sql"),
    include_str!("schema/outbox.sql")
);

/// Longest name of a namespace, in bytes: PostgreSQL's names have 63.
pub const MAX_NAMESPACE_BYTES: usize = 59;

/// [`SCHEMA`] for this namespace. Its schema is called `sse_` and the namespace; that of `sse` is `sse`.
///
/// # Errors
/// A namespace has 1 to [`MAX_NAMESPACE_BYTES`] letters, digits, `_`, `-` and `.`, all of them ASCII.
///
/// ```
/// # use sse_tower_backplane::postgres;
/// assert!(postgres::schema("shop").unwrap().contains(r#"create schema if not exists "sse_shop";"#));
/// assert!(postgres::schema("sho\"p").is_err());
/// ```
pub fn schema(namespace: &str) -> Result<String, EngineError> {
    Ok(Names::new(namespace)?.schema_sql())
}

/// The names of one namespace.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// `sse` for the default, quoted otherwise.
    schema: Box<str>,
}

impl Names {
    /// The namespace itself.
    pub(super) fn namespace(&self) -> &str {
        let name = self.schema.strip_prefix("\"sse_").and_then(|name| name.strip_suffix('"'));
        name.unwrap_or("sse")
    }

    pub(super) fn new(namespace: &str) -> Result<Self, EngineError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if namespace.is_empty()
            || namespace.len() > MAX_NAMESPACE_BYTES
            || !namespace.bytes().all(plain)
        {
            return Err(EngineError::refused(format!(
                "a namespace in PostgreSQL has 1 to {MAX_NAMESPACE_BYTES} letters, digits, _, - and . of ASCII",
            )));
        }
        let schema = if namespace == "sse" { "sse".into() } else { format!("\"sse_{namespace}\"") };
        Ok(Self { schema: schema.into() })
    }

    /// As SQL names it.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// A statement that is written for `sse`.
    pub(super) fn sql<'a>(&self, statement: &'a str) -> Cow<'a, str> {
        if &*self.schema == "sse" {
            return statement.into();
        }
        statement.replace("sse.", &format!("{}.", self.schema)).into()
    }

    /// Listens to the bell.
    pub(super) fn listen(&self) -> String {
        format!("listen {}", self.schema)
    }

    /// The bell's channel, as a text.
    pub(super) fn channel(&self) -> &str {
        self.schema.trim_matches('"')
    }

    fn schema_sql(&self) -> String {
        self.sql(SCHEMA)
            .replace(
                "create schema if not exists sse;",
                &format!("create schema if not exists {};", self.schema),
            )
            .replace("on schema sse to", &format!("on schema {} to", self.schema))
            .replace("in schema sse to", &format!("in schema {} to", self.schema))
    }

    /// Makes what is missing. `there`: the schema itself is, and may have been made by somebody who does not let this role
    /// make others.
    pub(super) fn install(&self, there: bool) -> String {
        let all = self.schema_sql();
        if there {
            return all.replace(&format!("create schema if not exists {};", self.schema), "");
        }
        all
    }
}
