//! `Limits`: how many streams may be open.

use std::{fmt, sync::Arc};

use http::Request;

/// What happens to a new stream when its key or principal has as many as it may.
///
/// ```
/// use sse_tower::{AtLimit, Limits};
/// // The newest of a user's tabs is the one they look at.
/// let limits = Limits::new()
///     .per_principal(6, |request| request.headers().get("x-user")?.to_str().ok().map(str::to_owned))
///     .at_limit(AtLimit::EndOldest);
/// # let _ = limits;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtLimit {
    /// The new one is refused: see [`Refusal`](crate::Refusal).
    #[default]
    RefuseNew,
    /// The oldest one is ended, and told to stay away for a day, since two tabs would otherwise put
    /// each other out for ever.
    EndOldest,
}

/// How many streams may be open: in all, for each key, for each principal. Without a limit only
/// [`MAX_OPEN_STREAMS`](crate::MAX_OPEN_STREAMS) counts.
///
/// A place is freed when its stream is dropped, however that comes about. Every limit has to have
/// room. Zero lets nobody in.
///
/// ```
/// use sse_tower::{AtLimit, Limits};
/// let limits = Limits::new()
///     .total(10_000)
///     .per_key(100, |request| Some(request.uri().path().to_owned()))
///     .per_principal(6, |request| request.headers().get("x-user")?.to_str().ok().map(str::to_owned))
///     .at_limit(AtLimit::EndOldest);
/// # let _ = limits;
/// ```
///
/// Behind a reverse proxy the peer's address is the proxy's: name the principal by what was
/// authenticated, or by a header that the proxy sets and clients cannot.
#[derive(Clone, Default)]
#[must_use = "limits count for nothing until they are given to a layer"]
pub struct Limits {
    pub(super) rules: Vec<Rule>,
    pub(super) at_limit: AtLimit,
}

#[derive(Clone)]
pub(super) struct Rule {
    pub(super) scope: Scope,
    pub(super) most: usize,
    pub(super) key: Option<KeyOf>,
}

pub(super) type KeyOf = Arc<dyn Fn(&Request<()>) -> Option<String> + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Total,
    Key,
    Principal,
}

impl Limits {
    /// No limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most `most` streams in all. The new one is always refused: ending strangers' streams
    /// would let one client put out all others.
    ///
    /// ```
    /// # use sse_tower::Limits;
    /// let limits = Limits::new().total(10_000);
    /// # drop(limits);
    /// ```
    pub fn total(self, most: usize) -> Self {
        self.rule(Scope::Total, most, None)
    }

    /// At most `most` streams with the same key; `None` is not counted. The key is asked for once a
    /// request, before its handler.
    ///
    /// ```
    /// # use sse_tower::Limits;
    /// // A room has a hundred seats, whoever sits there.
    /// let limits = Limits::new().per_key(100, |request| request.uri().path().strip_prefix("/rooms/").map(str::to_owned));
    /// # drop(limits);
    /// ```
    pub fn per_key<K: fmt::Display>(
        self,
        most: usize,
        key: impl Fn(&Request<()>) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        self.rule(Scope::Key, most, Some(Arc::new(move |head| key(head).map(|k| k.to_string()))))
    }

    /// At most `most` streams of the same principal (user, token, address; whom you like); `None` is
    /// not counted. Asked for once a request, before its handler, so what says who it is has to be
    /// known by then: in a header, or in an extension that an outer layer has set.
    ///
    /// ```
    /// # use sse_tower::Limits;
    /// #[derive(Clone)]
    /// struct User(u64); // put into the extensions by the layer that has checked the session
    ///
    /// let limits = Limits::new().per_principal(6, |request| Some(request.extensions().get::<User>()?.0));
    /// # drop(limits);
    /// ```
    pub fn per_principal<P: fmt::Display>(
        self,
        most: usize,
        principal: impl Fn(&Request<()>) -> Option<P> + Send + Sync + 'static,
    ) -> Self {
        let key: KeyOf = Arc::new(move |head| principal(head).map(|p| p.to_string()));
        self.rule(Scope::Principal, most, Some(key))
    }

    /// What happens when a key or a principal has as many as it may; [`AtLimit::RefuseNew`] unless
    /// set.
    pub fn at_limit(mut self, at_limit: AtLimit) -> Self {
        self.at_limit = at_limit;
        self
    }

    fn rule(mut self, scope: Scope, most: usize, key: Option<KeyOf>) -> Self {
        self.rules.push(Rule { scope, most, key });
        self
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rules.iter().map(|rule| (rule.scope, rule.most))).finish()
    }
}
