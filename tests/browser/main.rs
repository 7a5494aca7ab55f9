//! `EventSource` and the page of `pay` in a real, headless Chromium.

mod chromium {
    mod event_source;
    mod pay;
}
