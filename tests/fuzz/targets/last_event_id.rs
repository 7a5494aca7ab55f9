//! Any bytes as `Last-Event-ID`: an answer, never a panic, never another key's events.

#![no_main]

use std::sync::LazyLock;

use futures_util::{FutureExt as _, StreamExt as _};
use libfuzzer_sys::fuzz_target;
use sse_tower_core::{Emitters, LastEventId, SseEvent};

/// Key 1 has events with ids of both kinds; key 2 has others.
static EMITTERS: LazyLock<Emitters<u8>> = LazyLock::new(|| {
    let emitters = Emitters::new();
    for id in ["1", "own", "x-1"] {
        emitters.send(&1, SseEvent::builder().data("mine").id(id)).now_or_never();
        emitters.send(&1, "mine").now_or_never();
        emitters.send(&2, "secret").now_or_never();
    }
    emitters
});

fn answer(last: LastEventId) -> Option<String> {
    let mut stream = EMITTERS.connect(1, last).into_stream();
    let bytes = stream.next().now_or_never()??;
    Some(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

// A first byte of `t` stands for a position of these very emitters, changed by what follows.
fuzz_target!(|input: &[u8]| {
    let mut value = input.to_vec();
    if let [b't', changes @ ..] = input {
        value = EMITTERS.position().as_str().as_bytes().to_vec();
        for change in changes.chunks_exact(2) {
            let at = usize::from(change[0]) % value.len();
            value[at] = change[1];
        }
    }
    let last = LastEventId::read(&value);
    if let Some(id) = last.id() {
        assert_eq!(id.as_str().as_bytes(), value);
        assert_eq!(LastEventId::from(id.clone()), last);
    }
    let text = answer(last).unwrap_or_default();
    assert!(!text.contains("secret"));
    // An earlier position may get everything again, nothing else may.
    let may = value.is_empty() || value.starts_with(b"1.");
    assert!(may || text.matches("mine").count() < 6, "everything again");
});
