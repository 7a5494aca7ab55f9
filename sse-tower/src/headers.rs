//! `is_event_stream`, `stop_buffering`: the headers of an event stream.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};

/// What nginx, and others that took it over, read to pass each event on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
pub(crate) const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Whether these are the headers of a `text/event-stream`, whatever its parameters.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| is_essence(value.as_bytes()))
}

/// Whether this media type is `text/event-stream`; parameters do not count.
pub(crate) fn is_essence(media_type: &[u8]) -> bool {
    let essence = media_type.split(|b| *b == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// Whether the body's length is announced: then nothing may be added to it.
pub(crate) fn has_length(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_LENGTH)
}

/// Whether the body is not the events themselves but, say, their gzip: a comment cannot be put
/// between two events then.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_some_and(|e| !e.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Tells proxies to pass each event on as it comes. What the program has set stays: directives are
/// added, none is taken away, and an `x-accel-buffering` of its own is kept.
pub(crate) fn stop_buffering(headers: &mut HeaderMap) {
    headers.entry(X_ACCEL_BUFFERING).or_insert(HeaderValue::from_static("no"));
    if headers.get(CACHE_CONTROL).is_some_and(|set| set == "no-cache, no-transform") {
        // What streams of ours say already.
        return;
    }

    let has = |name: &str| {
        headers.get_all(CACHE_CONTROL).iter().flat_map(|v| v.as_bytes().split(|b| *b == b',')).any(
            |directive| {
                let directive = directive.split(|b| *b == b'=').next().unwrap_or_default();
                directive.trim_ascii().eq_ignore_ascii_case(name.as_bytes())
            },
        )
    };
    let mut missing = Vec::new();
    if !has("no-cache") && !has("no-store") {
        missing.push("no-cache");
    }
    if !has("no-transform") {
        missing.push("no-transform");
    }
    if missing.is_empty() {
        return;
    }
    // One line, since not everybody who looks for a directive looks at a second.
    let mut line = Vec::new();
    let set = headers.get_all(CACHE_CONTROL).iter().map(HeaderValue::as_bytes);
    for value in set.chain(missing.into_iter().map(str::as_bytes)) {
        if !line.is_empty() {
            line.extend_from_slice(b", ");
        }
        line.extend_from_slice(value);
    }
    if let Ok(value) = HeaderValue::from_bytes(&line) {
        headers.insert(CACHE_CONTROL, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(set: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in set {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
        }
        stop_buffering(&mut headers);
        assert_eq!(headers["x-accel-buffering"], "no");
        headers.get_all(CACHE_CONTROL).iter().map(|v| v.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn directives_are_added_and_none_is_taken_away() {
        assert_eq!(after(&[]), ["no-cache, no-transform"]);
        assert_eq!(after(&["no-cache"]), ["no-cache, no-transform"]);
        assert_eq!(after(&["No-Store"]), ["No-Store, no-transform"]);
        assert_eq!(after(&["private, no-transform"]), ["private, no-transform, no-cache"]);
        assert_eq!(after(&["no-cache=\"x\"", "no-transform"]), ["no-cache=\"x\"", "no-transform"]);
        assert_eq!(after(&["max-age=5"]), ["max-age=5, no-cache, no-transform"]);
    }

    #[test]
    fn an_x_accel_buffering_that_the_program_set_is_kept() {
        let mut headers = HeaderMap::new();
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("yes"));
        stop_buffering(&mut headers);
        assert_eq!(headers["x-accel-buffering"], "yes");
    }

    #[test]
    fn the_media_type_counts_without_its_parameters_and_its_case() {
        for yes in ["text/event-stream", "Text/Event-Stream; charset=utf-8", "text/event-stream ;x"]
        {
            assert!(is_essence(yes.as_bytes()), "{yes}");
        }
        for no in ["text/event-streams", "application/json", "", ";text/event-stream"] {
            assert!(!is_essence(no.as_bytes()), "{no}");
        }
    }
}
