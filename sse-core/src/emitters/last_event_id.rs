//! `LastEventId`: what a client says that it has seen.

use crate::{event::EventId, log::Token};

/// The word by which a client asks for everything.
const EARLIEST: &str = "earliest";

/// What a client says that it has seen, by the header `Last-Event-ID` or by `?lastEventId=`.
///
/// With the feature `axum` it is an extractor that never rejects: nothing that a client sends here
/// is an error, since an `EventSource` would give up for good. What cannot be read leads to
/// `stream-reset`.
///
/// The word `earliest` in either place is [`earliest`](Self::earliest); an event that has it as its id cannot be
/// resumed from.
///
/// ```
/// # use sse_tower_core::{EventId, LastEventId};
/// let none = LastEventId::default();
/// let at = LastEventId::from(EventId::from_static("6666"));
/// assert_eq!(LastEventId::read(b"6666"), at);
/// assert_eq!(LastEventId::read(b""), none);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct LastEventId(pub(super) Seen);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing: it comes for the first time, or has got no id yet.
    #[default]
    Nothing,
    UpTo(EventId),
    /// Nothing, and it wants everything that there ever was.
    Earliest,
    /// Something that is no id of ours.
    Unreadable,
    /// It asks for the headers alone.
    Head,
}

impl LastEventId {
    /// Reads a header's value or a query parameter. Never fails: an empty value is none, and one
    /// that is no UTF-8, too long or has forbidden characters is an unknown id.
    pub fn read(value: &[u8]) -> Self {
        Self(match std::str::from_utf8(value) {
            Ok("") => Seen::Nothing,
            Ok(EARLIEST) => Seen::Earliest,
            Ok(text) => EventId::try_from(text).map_or(Seen::Unreadable, Seen::UpTo),
            Err(_) => Seen::Unreadable,
        })
    }

    /// From the beginning, or to be told what of it is gone: for what must be read as a whole, as an answer that is
    /// written while it is read.
    ///
    /// A client that comes for the first time gets the history, without a word about what was there before it. With
    /// this it gets the same, and a `stream-gap` before it if the history does not reach back to the first event, or a
    /// [snapshot](crate::EmittersBuilder::snapshot) instead of both where there is one. A page asks for it by
    /// `?lastEventId=earliest`, and goes on by the header `Last-Event-ID` when it dials again.
    ///
    /// ```
    /// # use sse_tower_core::LastEventId;
    /// assert_eq!(LastEventId::read(b"earliest"), LastEventId::earliest());
    /// ```
    pub const fn earliest() -> Self {
        Self(Seen::Earliest)
    }

    /// Of a `HEAD` request: [`connect`](crate::Emitters::connect) opens nothing for it.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, LastEventId};
    /// let emitters = Emitters::<u64>::new();
    /// let response = emitters.connect(7, LastEventId::of_head_request());
    /// assert!(emitters.is_empty());
    /// # drop(response);
    /// ```
    pub const fn of_head_request() -> Self {
        Self(Seen::Head)
    }

    /// The position that it is, if it is one.
    pub(super) fn token(&self) -> Option<Token> {
        self.id().and_then(|id| Token::parse(id.as_str()))
    }

    /// The id, if there is one that can be read.
    ///
    /// ```
    /// # use sse_tower_core::LastEventId;
    /// assert_eq!(LastEventId::read(b"6666").id().map(|id| id.as_str()), Some("6666"));
    /// assert!(LastEventId::read(b"\xff").id().is_none()); // leads to `stream-reset`
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<&EventId> {
        match &self.0 {
            Seen::UpTo(id) => Some(id),
            Seen::Nothing | Seen::Earliest | Seen::Unreadable | Seen::Head => None,
        }
    }
}

impl From<EventId> for LastEventId {
    fn from(id: EventId) -> Self {
        Self(Seen::UpTo(id))
    }
}
