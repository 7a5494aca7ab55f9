//! Any bytes as the fields of events: what is accepted, a parser by other people reads the same.

#![no_main]

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use libfuzzer_sys::fuzz_target;
use sse_stream::{Sse, SseByteStream};
use sse_tower_core::{EventId, SseEvent};

fn normalised(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

// The first byte says where the wire is cut; then fields: one byte what it is, one how long.
fuzz_target!(|input: &[u8]| {
    let Some((cut, mut rest)) = input.split_first() else { return };
    let (mut event, mut expected, mut valid) = (SseEvent::builder(), Sse::default(), false);
    while let [kind, length, tail @ ..] = rest {
        let (value, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        let text = String::from_utf8_lossy(value);
        let one_line = !text.is_empty() && !text.contains(['\n', '\r']);
        let is_right = match kind % 5 {
            0 => {
                event = event.name(&*text);
                expected.event = Some(text.clone().into_owned());
                one_line
            }
            1 => {
                event = event.id(&*text);
                expected.id = Some(text.clone().into_owned());
                one_line
                    && !text.contains(|c: char| c.is_ascii_control())
                    && !text.starts_with(' ')
                    && !text.ends_with(' ')
                    && text.len() <= EventId::MAX_BYTES
            }
            2 => {
                let millis = value.iter().fold(0_u64, |sum, byte| {
                    (sum * 31 + u64::from(*byte)) % 1_000_000
                });
                event = event.retry(Duration::from_millis(millis));
                expected.retry = Some(millis);
                true
            }
            3 => {
                event = event.comment(&text);
                true
            }
            _ => {
                event = event.data(&text);
                let before = expected.data.take().map(|data| data + "\n").unwrap_or_default();
                expected.data = Some(before + &normalised(&text));
                true
            }
        };
        if !is_right {
            assert!(event.build().is_err(), "accepted");
            return;
        }
        valid = true;
    }
    let built = event.build();
    assert_eq!(built.is_ok(), valid);
    let Ok(event) = built else { return };
    let wire = event.encode();
    // Only what takes effect at a blank line ends with one.
    let ends_blank = expected.event.is_some() || expected.id.is_some() || expected.data.is_some();
    assert_eq!(wire.ends_with(b"\n\n"), ends_blank);
    let blank = if ends_blank { Bytes::new() } else { Bytes::from_static(b"\n") };
    let cut = usize::from(*cut).min(wire.len());
    let pieces = [wire.slice(..cut), wire.slice(cut..), blank].map(Ok::<Bytes, Infallible>);
    let events: Vec<_> = SseByteStream::new(stream::iter(pieces))
        .map(|event| event.expect("an event"))
        .collect()
        .now_or_never()
        .expect("nothing to wait for");
    let expected: Vec<_> = Some(expected).filter(|event| *event != Sse::default()).into_iter().collect();
    assert_eq!(events, expected);
});
