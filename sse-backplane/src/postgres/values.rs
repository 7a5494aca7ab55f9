//! What goes over the wire: columns for a batch, and rows read back.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use sse_tower_core::backplane::{
    Change, EngineError, Entry, Epoch, MAX_RECORD_BYTES, Mark, Position, Topic,
};
use tokio_postgres::{
    Error, Row,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};

/// How many slots topics fall into: a node tells in this many bits what it follows.
pub(super) const SLOTS: usize = 8_192;

/// A parameter with its type: statements are never prepared under a name, which poolers would lose.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// 128 bits, as a `uuid`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uuid(pub(super) u128);

impl ToSql for Uuid {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_u128(self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Uuid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(u128::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }
}

/// PostgreSQL's numbers are signed; ours stay far below.
pub(super) fn number(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

pub(super) fn small(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

pub(super) fn micros(duration: Duration) -> i64 {
    // A thousand years: sums of it with any time are still numbers.
    number(duration.as_micros()).min(31_557_600_000_000_000)
}

pub(super) fn position(number: i64) -> Position {
    Position::new(u64::try_from(number).unwrap_or(0))
}

/// What `epoch` and `last` of a row say.
pub(super) fn mark(row: &Row) -> Result<Mark, Error> {
    let epoch: i64 = row.try_get("epoch")?;
    let last: i64 = row.try_get("last")?;
    Ok(Mark { epoch: Epoch::new(u64::try_from(epoch).unwrap_or(0)), position: position(last) })
}

/// In which slot a topic falls.
pub(super) fn slot(topic: &[u8]) -> usize {
    // FNV-1a; the same in every process for ever, since it is stored.
    let hash = topic.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as usize % SLOTS
}

/// The topic of this name, as it was stored.
pub(super) fn topic(name: &[u8]) -> Option<Topic> {
    Topic::new(std::str::from_utf8(name).ok()?).ok()
}

/// A change, from its columns.
pub(super) fn change(
    kind: i16,
    body: Option<&[u8]>,
    once: Option<&[u8]>,
    holder: Option<i64>,
) -> Option<Change> {
    Some(match kind {
        0 => {
            let once = once.and_then(|key| std::str::from_utf8(key).ok()).map(Arc::from);
            Change::Event { body: Bytes::copy_from_slice(body.unwrap_or_default()), once }
        }
        1 => Change::Complete,
        2 => Change::Forget,
        3 => Change::Disconnect,
        4 => Change::Claim { holder: holder.unwrap_or_default() as u64 },
        _ => return None,
    })
}

/// Text that PostgreSQL takes: anything but NUL.
pub(super) fn text(text: &str, what: &str) -> Result<(), EngineError> {
    if text.contains('\0') {
        return Err(EngineError::refused(format!("PostgreSQL stores no NUL in {what}")));
    }
    Ok(())
}

/// May these be stored at all?
pub(super) fn check(entries: &[Entry]) -> Result<(), EngineError> {
    for entry in entries {
        let size = match &entry.change {
            Change::Event { body, .. } => body.len(),
            Change::Enqueue(event) => {
                text(&event.kind.name, "the name of an event")?;
                event.head.len().saturating_add(event.body.len())
            }
            Change::Complete | Change::Forget | Change::Disconnect | Change::Claim { .. } => {
                continue;
            }
            _ => {
                return Err(EngineError::new(
                    sse_tower_core::backplane::EngineErrorKind::Unsupported,
                    "this engine does not know such a change",
                ));
            }
        };
        if size > MAX_RECORD_BYTES {
            return Err(EngineError::refused(format!(
                "an event of {size} bytes is too large: at most {MAX_RECORD_BYTES}",
            )));
        }
    }
    Ok(())
}

/// Entries, one column for each of their properties, as `put` takes them.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) topics: Vec<Option<&'a [u8]>>,
    pub(super) slots: Vec<i32>,
    pub(super) events: Vec<i32>,
    pub(super) bytes: Vec<i64>,
    pub(super) ages: Vec<i64>,
    pub(super) kinds: Vec<i16>,
    pub(super) bodies: Vec<Option<&'a [u8]>>,
    pub(super) onces: Vec<Option<&'a [u8]>>,
    pub(super) holders: Vec<Option<i64>>,
    pub(super) names: Vec<Option<&'a str>>,
    pub(super) versions: Vec<Option<i64>>,
    pub(super) ids: Vec<Option<Uuid>>,
    pub(super) heads: Vec<Option<&'a [u8]>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Self {
        let mut columns = Self::default();
        for entry in entries {
            columns.add(entry);
        }
        columns
    }

    fn add(&mut self, entry: &'a Entry) {
        let name = entry.topic.as_str().as_bytes();
        let (mut topic, mut body, mut once, mut holder, mut event) =
            (Some(name), None, None, None, None);
        let kind = match &entry.change {
            Change::Event { body: bytes, once: key } => {
                body = Some(&bytes[..]);
                once = key.as_ref().map(|key| key.as_bytes());
                if once.is_some() { 6 } else { 0 }
            }
            Change::Complete => 1,
            Change::Forget => 2,
            Change::Disconnect => 3,
            Change::Claim { holder: number } => {
                holder = Some(*number as i64);
                4
            }
            Change::Enqueue(queued) => {
                (topic, body, event) = (None, Some(&queued.body[..]), Some(queued));
                5
            }
            // `check` lets no other through.
            _ => return,
        };
        self.topics.push(topic);
        self.slots.push(small(slot(name)));
        self.events.push(small(entry.keep.events));
        self.bytes.push(number(entry.keep.bytes));
        self.ages.push(micros(entry.keep.age));
        self.kinds.push(kind);
        self.bodies.push(body);
        self.onces.push(once);
        self.holders.push(holder);
        self.names.push(event.map(|event| &*event.kind.name));
        self.versions.push(event.map(|event| i64::from(event.kind.version)));
        self.ids.push(event.map(|event| Uuid(event.id)));
        self.heads.push(event.map(|event| &event.head[..]));
    }

    pub(super) fn params(&self) -> [Param<'_>; 13] {
        [
            (&self.topics, Type::BYTEA_ARRAY),
            (&self.slots, Type::INT4_ARRAY),
            (&self.events, Type::INT4_ARRAY),
            (&self.bytes, Type::INT8_ARRAY),
            (&self.ages, Type::INT8_ARRAY),
            (&self.kinds, Type::INT2_ARRAY),
            (&self.bodies, Type::BYTEA_ARRAY),
            (&self.onces, Type::BYTEA_ARRAY),
            (&self.holders, Type::INT8_ARRAY),
            (&self.names, Type::TEXT_ARRAY),
            (&self.versions, Type::INT8_ARRAY),
            (&self.ids, Type::UUID_ARRAY),
            (&self.heads, Type::BYTEA_ARRAY),
        ]
    }
}
