//! `EventSource` and the page of `pay` in real browsers.

mod browsers {
    mod event_source;
    mod nodes;
    mod pay;
}
