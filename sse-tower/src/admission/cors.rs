//! `allow`, `carry`: a refusal that pages of another origin may read.
//!
//! A browser's `EventSource` that may not read an answer gives up for good, so a refusal has to be readable by
//! whoever could have read the stream. Who that is says a CORS layer. Outside of `SseLayer` it sees the refusal as
//! any other response; inside, it does not: a refusal before the handler never gets there, and one after the
//! handler replaces the response that it has marked.

use http::{
    HeaderMap, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, VARY,
    },
};

/// Lets the page that asked read the refusal. Any page may: a refusal has nothing of the program or its users,
/// and a page that may not read the stream finds that out when it is admitted.
pub(crate) fn allow(origin: Option<&HeaderValue>, refusal: &mut HeaderMap) {
    let Some(origin) = origin else { return };
    refusal.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    refusal.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    refusal.append(VARY, HeaderValue::from_static("origin"));
}

/// Lets those read the refusal who could have read the response that it replaces; where nobody has said who
/// that is, the page that asked.
pub(crate) fn carry(replaced: &HeaderMap, origin: Option<&HeaderValue>, refusal: &mut HeaderMap) {
    if !replaced.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return allow(origin, refusal);
    }
    let names = [
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        VARY,
    ];
    for name in names {
        for value in replaced.get_all(&name) {
            refusal.append(name.clone(), value.clone());
        }
    }
}
